"""SIGKILL a thousand times in each role, at any moment: nothing that was on
disk is lost, nothing counts twice, no report comes under two ids."""

import concurrent.futures
import contextlib
import gzip
import json
import random
import socket
import sqlite3
import threading
import time

import pytest

import httpsfault as faulty
from handover import ReportHost
from reportworld import DONE, GRACE, LEASE, RUA_HTTPS, Reporter, ReportSite
from netns import wait_until

KILLS = 1000
# That many at the same time: each waits most of the time.
COLLECTORS, REPORTERS = 25, 4
DOMAINS = 20
# A night of one reporter, longer than its kills take.
NIGHT = 400
ADDRESS = "10.26.2.8"
NAME = "kills.rpt.test"


@pytest.fixture(scope="module", autouse=True)
def plain():
    """Without sanitizers: they would take a good part of lives this short."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("STRICTMXD", raising=False)
        yield


@pytest.fixture(scope="module")
def site(world):
    """A report server that takes everything, and remembers it."""
    made = ReportSite(world, with_mail=False)
    world.dns.set(NAME, "A", ADDRESS)
    made.publish()
    host = ReportHost(
        made.namespace, ADDRESS, world.authority.issue(NAME),
        faulty.send(faulty.response("", status="200 OK")),
    )
    host.start()
    made.host = host
    yield made
    host.stop()


def integrity(daemon):
    """What SQLite finds, looking at all of it."""
    with contextlib.closing(sqlite3.connect(daemon.reports)) as db:
        return db.execute("PRAGMA integrity_check").fetchall()


class Feeder(threading.Thread):
    """Writes to a collector all the time, whether it is there or not."""

    def __init__(self, daemon):
        super().__init__()
        self.daemon_ = daemon
        self.sent = 0
        self._is_over = threading.Event()

    def run(self):
        record = f"v=TLSRPTv1; rua={RUA_HTTPS}"
        datagrams = [
            json.dumps({
                "d": f"d{number}.test",
                "pr": record,
                "policies": [{"policy-type": 9, "f": 0}],
            }).encode()
            for number in range(DOMAINS)
        ]
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            while not self._is_over.wait(0.01):
                # Nobody is there, or it is gone while we wait for it.
                with contextlib.suppress(OSError):
                    for _ in range(2):
                        datagram = datagrams[self.sent % DOMAINS]
                        sock.sendto(datagram, str(self.daemon_.socket))
                        self.sent += 1

    def stop(self):
        """No more after this."""
        self._is_over.set()
        self.join()


def counted(daemon):
    """All sessions in its store; 0 as long as there is none."""
    try:
        ((count,),) = daemon.rows("SELECT ifnull(sum(success), 0) FROM policy")
    except sqlite3.OperationalError:
        return 0
    return count


def live(daemon, rng, share_ready, at_start, ready):
    """A life to be ended: within `at_start` seconds of its launch or, for that
    share of lives, between the two of `ready`, in seconds since it is."""
    if rng.random() < share_ready:
        daemon.start()
        time.sleep(rng.uniform(*ready))
    else:
        daemon.launch()
        time.sleep(rng.uniform(0, at_start))


def kill_collector(world, number):
    """One collector's share; returns how often it had written something."""
    rng = random.Random(number)
    daemon = Reporter(world, f"kc{number}")
    daemon.roles = ["collect"]
    feeder = Feeder(daemon)
    feeder.start()
    grown = before = 0
    try:
        for _ in range(KILLS // COLLECTORS):
            # Mostly about when counts are written: every second.
            live(daemon, rng, 0.75, at_start=0.1, ready=(0.9, 1.2))
            seen = counted(daemon)
            daemon.kill()
            after = counted(daemon)
            assert before <= seen <= after <= feeder.sent
            grown += after > before
            before = after
        # Of a life that ends well nothing is lost.
        daemon.start()
        ready = feeder.sent
        wait_until(lambda: feeder.sent > ready + 20, 20, "more datagrams")
        feeder.stop()
        assert daemon.stop() == 0, daemon.log()
        assert before + feeder.sent - ready <= counted(daemon) <= feeder.sent
        assert integrity(daemon) == [("ok",)]
        assert "damaged" not in daemon.log()
        daemon.check_log()
    finally:
        feeder.stop()
        if daemon.child is not None:
            daemon.kill()
    return grown


def test_collect(site):
    """What the store has it keeps, whatever was being written."""
    with concurrent.futures.ThreadPoolExecutor(COLLECTORS) as pool:
        grown = list(
            pool.map(lambda n: kill_collector(site.world, n), range(COLLECTORS))
        )
    # The kills did not all come before the first write, nor all after it.
    assert KILLS // 10 < sum(grown) < KILLS


def kill_reporter(world, number):
    """One reporter's share, in nights with many domains."""
    rng = random.Random(number)
    # Once the day is closed each kill moves the clock by a lease.
    daemon = Reporter(world, f"kr{number}", report={"retry_for": "7d"})
    domains = [f"d{n}.r{number}.test" for n in range(NIGHT)]
    try:
        daemon.start()
        for domain in domains:
            daemon.send(domain, rua=f"https://{NAME}/{number}", times=2)
        daemon.wait_counts(domains[-1], 2)
        assert daemon.stop() == 0, daemon.log()
        daemon.clock.write(daemon.clock.midnight + GRACE + 1)
        daemon.roles = ["report"]
        for _ in range(KILLS // REPORTERS):
            # Now and then also where a slow machine builds and sends reports.
            live(daemon, rng, 0.25, at_start=0.12, ready=(0, 0.03))
            daemon.kill()
            # However slow it is: the day must be closed before it is too old.
            if is_closed(daemon):
                daemon.clock.advance(LEASE + 1)
        daemon.start()
        wait_until(lambda: is_over(daemon, len(domains)), 120, "the end", 0.5)
        assert daemon.stop() == 0, daemon.log()
        assert integrity(daemon) == [("ok",)]
        daemon.check_log()
    finally:
        if daemon.child is not None:
            daemon.kill()
    return domains


def is_closed(daemon):
    """Every domain of the day has its report-id."""
    return not daemon.rows("SELECT 1 FROM domain_day WHERE report_id IS NULL")


def is_over(daemon, count):
    """Everything was delivered; what a kill has left behind comes again."""
    rows = daemon.deliveries()
    if len(rows) == count and all(row[2] == DONE for row in rows):
        return True
    if not [row for row in rows if row[2] != DONE]:
        return False
    daemon.advance(LEASE + 1)
    return False


def test_report(site):
    """Each report arrives; what comes again is the same, to the octet."""
    with concurrent.futures.ThreadPoolExecutor(REPORTERS) as pool:
        nights = list(
            pool.map(lambda n: kill_reporter(site.world, n), range(REPORTERS))
        )
    bodies = {}
    for request in site.host.requests:
        report = json.loads(gzip.decompress(request.body))
        (policy,) = report["policies"]
        assert policy["summary"]["total-successful-session-count"] == 2
        name = policy["policy"]["policy-domain"]
        bodies.setdefault(name, []).append(request.body)
    assert set(bodies) == {domain for night in nights for domain in night}
    assert all(len(set(several)) == 1 for several in bodies.values())
    # The kills came while reports were on their way.
    assert sum(map(len, bodies.values())) > len(bodies)
