"""Reports whose way is bad: endpoints and mail hosts that fail, roles that are
killed, days that were missed.  All of it with role report itself, whose clock
is moved where it would wait."""

import contextlib
import gzip
import json
import os
import random
import re
import signal
import sqlite3
import threading
import time

import pytest

import httpsfault as faulty
from handover import ReportHost
from mailhost import MailHost
from netns import run, wait_until, watch_quiet
from reportworld import (
    BACKOFF, DAY, DONE, GIVEN_UP, GRACE, LEASE, WAITING, Reporter, ReportSite,
)

HOUR = 3600
SMARTHOST_PORT = 2560
MAIL = "mailto:tls@example.com"


@pytest.fixture(scope="module")
def site(world):
    """Addresses and names."""
    made = ReportSite(world, with_mail=False)
    for number in range(1, 10):
        world.dns.set(host_name(number), "A", f"10.26.2.{number}")
    made.publish()
    made.certificate = world.authority.issue(*map(host_name, range(1, 10)))
    return made


def host_name(number):
    """Name of a report server."""
    return f"r{number}.rpt.test"


def rua(number):
    """Where its reports go."""
    return f"https://{host_name(number)}/in"


@pytest.fixture
def endpoint(site):
    """Makes report servers that all end with the test."""
    hosts = []

    def make(serve, number=1, **kwargs):
        host = ReportHost(
            site.namespace, f"10.26.2.{number}", site.certificate, serve, **kwargs
        )
        host.start()
        hosts.append(host)
        return host

    yield make
    for host in hosts:
        host.stop()


@pytest.fixture
def reporter(site, request):
    """Makes a strictmxd with roles collect and report; it has to end well."""
    made = []

    def make(**report):
        name = re.sub(r"\W", "-", request.node.name)[:40]
        # The address of a socket has not room for much.
        one = Reporter(site.world, f"r{len(made)}-{name}"[:40], report=report)
        one.start()
        made.append(one)
        return one

    yield make
    for one in made:
        assert one.stop() == 0, one.log()
        one.check_log()


def answer(status, *extra):
    """What a server says."""
    return faulty.send(faulty.response("", status=status, extra=extra))


def reset_after_body(connection):
    """All was read, and then RST."""
    faulty.reset(connection)


OK = answer("200 OK")


def quiet(happened, seconds=1.5):
    """It does not happen, although strictmxd has just looked what is due."""
    watch_quiet(happened, seconds)


def report_of(request):
    """What was posted."""
    return json.loads(gzip.decompress(request.body))


def ids(requests):
    """The report-ids of what was posted."""
    return [report_of(request)["report-id"] for request in requests]


FAULTS = {
    "500": (answer("500 Internal Server Error"), "HTTP 500"),
    "302": (answer("302 Found", "Location: https://r2.rpt.test/in"), "HTTP 302"),
    "429": (answer("429 Too Many Requests"), "HTTP 429"),
    "reset-after-body": (reset_after_body, ""),
    "mute": (faulty.hold, ""),
    "cut-off": (faulty.cut_off(b"HTTP/1.1 200 OK\r\nContent-Le"), ""),
}


def test_endpoints_fail(reporter, endpoint):
    """They are tried again after the backoff, with the same report; what is
    taken is not sent any more."""
    hosts = {}
    daemon = reporter(https_timeout="1s")
    for number, (name, (serve, _)) in enumerate(FAULTS.items(), 1):
        hosts[f"{name}.test"] = endpoint(serve, number)
        daemon.send(f"{name}.test", rua=rua(number))
    daemon.wait_counts(f"{name}.test", 1)
    daemon.after_midnight()
    for name, (_, says) in FAULTS.items():
        assert says in daemon.wait_delivery(f"{name}.test", WAITING, attempts=1)
    for host in hosts.values():
        host.serve = OK
    daemon.advance(BACKOFF - 30)
    quiet(lambda: any(len(host.requests) != 1 for host in hosts.values()))
    daemon.advance(60)
    for domain, host in hosts.items():
        daemon.wait_delivery(domain, DONE)
        first, second = host.requests
        assert first.body == second.body
        assert report_of(first)["report-id"].split(".", 1)[1].startswith(domain)
    daemon.advance(2 * HOUR)
    quiet(lambda: any(len(host.requests) != 2 for host in hosts.values()))


def test_retry_after(reporter, endpoint):
    """A server that asks for more time gets it (RFC 6585, 4)."""
    host = endpoint(answer("429 Too Many Requests", "Retry-After: 3000"))
    daemon = reporter()
    daemon.send("a.test", rua=rua(1))
    daemon.wait_counts("a.test", 1)
    daemon.after_midnight()
    daemon.wait_delivery("a.test", WAITING, attempts=1)
    host.serve = OK
    daemon.advance(2900)
    quiet(lambda: len(host.requests) > 1)
    daemon.advance(200)
    daemon.wait_delivery("a.test", DONE)


def test_given_up(reporter, endpoint):
    """With growing pauses for a day, and no longer (RFC 8460, 5.5)."""
    host = endpoint(answer("500 Internal Server Error"))
    daemon = reporter()
    daemon.send("a.test", rua=rua(1))
    daemon.wait_counts("a.test", 1)
    daemon.after_midnight()
    begun = daemon.clock.midnight + GRACE
    waits = []
    attempts = 0
    while True:
        attempts += 1
        wait_until(lambda: len(host.requests) >= attempts, 20, "an attempt")

        def settled():
            ((state, made, following),) = daemon.rows(
                "SELECT state, attempts, next / 1000 FROM delivery"
            )
            return (state, following) if made == attempts else None

        state, following = wait_until(settled, 10, "its outcome")
        if state != WAITING:
            break
        waits.append(following - daemon.clock.now())
        daemon.jump(following + 1)
    assert state == GIVEN_UP
    assert 24 * HOUR <= daemon.clock.now() - begun < 25 * HOUR
    # All but the last, which is made when the day is over.
    for before, after in zip(waits, waits[1:-1]):
        assert after >= 1.9 * before or after == pytest.approx(4 * HOUR, abs=30)
    assert len(set(ids(host.requests))) == 1
    assert "report given up" in daemon.log()


def test_several_places(reporter, endpoint):
    """Each has its own fate; none holds up another."""
    good, bad = endpoint(OK, 1), endpoint(faulty.hold, 2)
    daemon = reporter()
    places = f"ftp://x.test/,{rua(2)},{rua(1)},https://none.rpt.test/"
    daemon.send("a.test", rua=places)
    for number in range(30):
        daemon.send(f"d{number}.test", rua=rua(1))
    daemon.wait_counts("d29.test", 1)
    daemon.after_midnight()
    daemon.wait_delivery("a.test", DONE, uri=rua(1))
    for number in range(30):
        daemon.wait_delivery(f"d{number}.test", DONE)
    daemon.wait_delivery("a.test", WAITING, uri="https://none.rpt.test/")
    assert len(good.requests) == 31 and len(bad.requests) == 1


def test_private_address(reporter, endpoint):
    """Unless it is allowed, a record can't make us talk to our own network."""
    host = endpoint(OK)
    daemon = reporter(allow_private_addresses=False)
    daemon.send("a.test", rua=rua(1))
    daemon.send("b.test", rua="https://127.0.0.1/")
    daemon.send("c.test", rua=rua(1))
    # What came before the last one is in the store, too.
    daemon.wait_counts("c.test", 1)
    # The other is none that a report could go to.
    assert daemon.counts("b.test") == (0, 0)
    daemon.after_midnight()
    daemon.wait_delivery("a.test", WAITING, attempts=1)
    assert host.connections == 0


def test_smtp_4xx(reporter, site):
    """Later."""
    daemon = reporter(smarthost=f"127.0.0.1:{SMARTHOST_PORT}")
    with MailHost(site.namespace, "127.0.0.1", port=SMARTHOST_PORT) as host:
        host.replies["RCPT"] = b"451 4.7.1 greylisted\r\n"
        daemon.send("a.test", rua=MAIL)
        daemon.wait_counts("a.test", 1)
        daemon.after_midnight()
        assert "451" in daemon.wait_delivery("a.test", WAITING, attempts=1)
        host.replies["RCPT"] = b"250 Ok\r\n"
        daemon.advance(2 * BACKOFF)
        daemon.wait_delivery("a.test", DONE)
        (message,) = host.messages
    (identity,) = daemon.rows("SELECT report_id FROM domain_day")
    assert f"Message-ID: <{identity[0]}>\r\n".encode() in message.data


def test_smtp_5xx(reporter, site):
    """Never."""
    daemon = reporter(smarthost=f"127.0.0.1:{SMARTHOST_PORT}")
    with MailHost(site.namespace, "127.0.0.1", port=SMARTHOST_PORT) as host:
        host.replies["RCPT"] = b"550 5.1.1 nobody \x1b[31m\r\n"
        daemon.send("a.test", rua=MAIL)
        daemon.wait_counts("a.test", 1)
        daemon.after_midnight()
        assert "550" in daemon.wait_delivery("a.test", GIVEN_UP)
        connections = host.connections
        daemon.advance(2 * HOUR)
        quiet(lambda: host.connections > connections)
    # Escaped where it is shown, once.
    assert "550 5.1.1 nobody \\x1b[31m" in daemon.log()


# Reloads.


def test_reloads_send_nothing_twice(reporter, site):
    """What was accepted is not sent again, and what waits goes on at once."""
    daemon = reporter(smarthost=f"127.0.0.1:{SMARTHOST_PORT}")
    with MailHost(site.namespace, "127.0.0.1", port=SMARTHOST_PORT) as host:
        host.acts["dot"] = lambda connection: time.sleep(0.15) or True
        for number in range(60):
            daemon.send(f"d{number}.test", rua=MAIL)
        daemon.wait_counts("d59.test", 1)
        daemon.after_midnight()
        for wanted in (8, 20, 32, 44):
            wait_until(lambda: len(host.messages) >= wanted, 20, "some mails")
            daemon.signal(signal.SIGHUP)
        for number in range(60):
            daemon.wait_delivery(f"d{number}.test", DONE)
        found = [
            re.search(rb"(?m)^Message-ID: (.*)\r$", message.data)[1]
            for message in host.messages
        ]
    assert len(set(found)) == 60
    assert len(found) == 60


# Kills.


class Holder:
    """A server that has the report, and says nothing until it may."""

    def __init__(self):
        self.has_it = threading.Event()
        self.go = threading.Event()

    def __call__(self, connection):
        self.has_it.set()
        self.go.wait(30)
        OK(connection)


def test_killed_in_post(reporter, endpoint):
    """Nobody knows whether it arrived: it is sent again, with the same id."""
    holder = Holder()
    host = endpoint(holder)
    daemon = reporter()
    daemon.send("a.test", rua=rua(1))
    daemon.wait_counts("a.test", 1)
    daemon.after_midnight()
    assert holder.has_it.wait(20)
    daemon.kill()
    holder.go.set()
    host.serve = OK
    # The lease keeps another reporter from sending it as well.
    daemon.clock.advance(LEASE + 1)
    daemon.start()
    daemon.wait_delivery("a.test", DONE)
    assert len(host.requests) == 2 and len(set(ids(host.requests))) == 1
    assert host.requests[0].body == host.requests[1].body


def test_killed_again_and_again(reporter, endpoint):
    """At any point of a night with 300 domains: each report arrives, whatever
    comes twice has the same id, and counts are never doubled."""
    host = endpoint(OK)
    daemon = reporter()
    domains = [f"d{number}.test" for number in range(300)]
    for domain in domains:
        daemon.send(domain, rua=rua(1), times=2)
    for domain in domains:
        daemon.wait_counts(domain, 2)
    daemon.after_midnight()
    rng = random.Random(8460)
    for _ in range(40):
        # Not for luck: the point of the kill is what is tried.
        time.sleep(rng.uniform(0, 0.15))
        daemon.kill()
        daemon.clock.advance(LEASE + 1)
        daemon.launch()
    wait_until(daemon._is_ready, 20, "the last start")

    def is_over():
        rows = daemon.deliveries()
        if len(rows) == len(domains) and all(row[2] == DONE for row in rows):
            return True
        daemon.advance(LEASE + 1)
        return False

    wait_until(is_over, 60, "the end", interval=1)
    reports = {}
    for request in host.requests:
        report = report_of(request)
        (policy,) = report["policies"]
        reports.setdefault(policy["policy"]["policy-domain"], []).append(report)
    assert set(reports) == set(domains)
    for several in reports.values():
        assert all(report == several[0] for report in several)
        summary = several[0]["policies"][0]["summary"]
        assert summary["total-successful-session-count"] == 2


def test_collect_killed(reporter):
    """What was written to it more than a flush ago is in the store."""
    daemon = reporter()
    settled = 0
    for _ in range(4):
        daemon.send("a.test", times=40)
        daemon.wait_counts("a.test", settled + 40)
        # And some of which nobody knows.
        daemon.send("a.test", times=20)
        daemon.kill()
        success, _ = daemon.counts("a.test")
        assert settled + 40 <= success <= settled + 60
        settled = success
        daemon.start()


# Disks.


@contextlib.contextmanager
def small_disk(daemon, size):
    """A file system of its own for the store."""
    folder = daemon.reports.parent
    run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", folder])
    try:
        yield folder / "filler"
    finally:
        if daemon.child is not None:
            daemon.kill()
        run(["umount", "-l", folder])


def fill(filler):
    """Until not a byte more fits."""
    with contextlib.suppress(OSError):
        with open(filler, "wb", buffering=0) as out:
            for size in (4096, 1):
                with contextlib.suppress(OSError):
                    while True:
                        out.write(b"x" * size)


@pytest.fixture
def unstarted(site, request):
    """As reporter, but not started yet."""
    name = re.sub(r"\W", "-", request.node.name)[:30]
    return Reporter(site.world, f"u-{name}")


def test_disk_full_for_collect(unstarted):
    """What doesn't fit stays in memory, which is said, and is written once
    there is room: nothing is lost."""
    daemon = unstarted
    with small_disk(daemon, "2m") as filler:
        daemon.start()
        daemon.send("before.test", times=3)
        daemon.wait_counts("before.test", 3)
        fill(filler)
        for number in range(2000):
            daemon.send(f"{'x' * 60}.d{number}.test", times=2)
        daemon.wait_log(r"can't be written \(disk full\): \d+ events")
        # More than one batch waits now.
        daemon.send("after.test", times=4)
        filler.unlink()
        daemon.wait_log("can be written again")
        daemon.wait_counts("after.test", 4)
        daemon.wait_counts("before.test", 3)
        ((count,),) = daemon.rows("SELECT sum(success) FROM policy")
        assert count == 3 + 4000 + 4
        assert daemon.stop() == 0, daemon.log()
        daemon.check_log()


def test_disk_full_from_the_start(unstarted):
    """Both roles run all the same; one counts, the other waits."""
    daemon = unstarted
    with small_disk(daemon, "1m") as filler:
        fill(filler)
        daemon.start()
        assert "the disk is full" in daemon.log()
        daemon.send("a.test", times=7)
        filler.unlink()
        daemon.wait_log("can be written again")
        daemon.wait_counts("a.test", 7)
        assert daemon.stop() == 0, daemon.log()


def test_disk_full_for_report(unstarted, endpoint):
    """Nothing is sent of which it can't be noted that it was; it goes on by
    itself, and the log does not fill up."""
    host = endpoint(OK)
    daemon = unstarted
    with small_disk(daemon, "2m") as filler:
        daemon.start()
        for number in range(40):
            daemon.send(f"d{number}.test", rua=rua(1))
        daemon.wait_counts("d39.test", 1)
        daemon.roles = ["report"]
        daemon.jump(daemon.clock.midnight - 60)
        fill(filler)
        start = len(daemon.log())
        daemon.clock.set(daemon.clock.midnight + GRACE + 1)
        daemon.wait_log("(?m)^error: .*disk full", start=start)
        # It looks every five seconds, and says it once.
        quiet(lambda: daemon.log()[start:].count("disk full") > 1, 12)
        assert not host.requests
        filler.unlink()
        for number in range(40):
            daemon.wait_delivery(f"d{number}.test", DONE)
        assert len(host.requests) == len(set(ids(host.requests))) == 40
        assert daemon.stop() == 0, daemon.log()
        daemon.check_log()


def test_disk_full_while_sending(reporter, endpoint):
    """Reports on their way when the disk becomes full are sent again later,
    with the same id, and no others are begun."""
    daemon = reporter()
    holder = Holder()
    host = endpoint(holder)
    daemon.send("a.test", rua=rua(1))
    daemon.wait_counts("a.test", 1)
    daemon.after_midnight()
    assert holder.has_it.wait(20)
    # A lock of somebody else has the same effect as a full disk.
    with contextlib.closing(sqlite3.connect(daemon.reports)) as db:
        db.execute("BEGIN IMMEDIATE")
        holder.go.set()
        daemon.wait_log("in use by another process|busy")
        host.serve = OK
    daemon.wait_log("can be used again")
    daemon.advance(LEASE + 1)
    daemon.wait_delivery("a.test", DONE)
    assert len(set(ids(host.requests))) == 1


def test_damage_while_both_have_it_open(reporter, endpoint):
    """The file is begun anew, a copy is kept, and both roles go on."""
    host = endpoint(OK)
    daemon = reporter()
    for number in range(300):
        daemon.send(f"d{number}.test", rua=rua(1))
    daemon.wait_counts("d299.test", 1)
    # All of it into the file itself.
    with contextlib.closing(sqlite3.connect(daemon.reports)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with open(daemon.reports, "r+b") as file:
        file.seek(0, os.SEEK_END)
        end = file.tell()
        file.seek(4096)
        file.write(b"\xa5" * (end - 4096))
    # This may still be counted in the old one, by what is in memory of it.
    daemon.send("lost.test", rua=rua(1))
    daemon.wait_log("was damaged and has been put aside", timeout=90)
    daemon.send("newer.test", rua=rua(1), times=2)
    daemon.wait_counts("newer.test", 2)
    assert list(daemon.reports.parent.glob("reports.db.damaged-*"))
    daemon.after_midnight()
    daemon.wait_delivery("newer.test", DONE)
    assert any("newer.test" in ident for ident in ids(host.requests))


def test_copies(reporter, endpoint):
    """The directory is made; why one can't be written is told."""
    endpoint(OK)
    daemon = reporter(copy_to="COPIES")
    copies = daemon.folder / "copies"
    daemon.sections["report"]["copy_to"] = str(copies)
    daemon.write_configuration()
    daemon.jump(daemon.clock.noon)
    assert copies.is_dir()
    copies.rmdir()
    copies.write_text("no directory")
    daemon.send("a.test", rua=rua(1))
    daemon.wait_counts("a.test", 1)
    daemon.after_midnight()
    assert f"copy_to = \"{copies}\"" in daemon.log()
    detail = daemon.wait_delivery("a.test", WAITING, 1, uri=f"file:{copies}")
    assert "Not a directory" in detail
    copies.unlink()
    daemon.advance(2 * BACKOFF)
    daemon.wait_delivery("a.test", DONE, uri=f"file:{copies}")
    (copy,) = copies.iterdir()
    assert json.loads(gzip.decompress(copy.read_bytes()))["policies"]


# Sockets.


def test_removed_socket(reporter):
    """At a reload it is made again."""
    daemon = reporter()
    daemon.send("a.test")
    daemon.socket.unlink()
    daemon.signal(signal.SIGHUP)
    daemon.wait_log("was removed or replaced by somebody")
    daemon.wait_log("reloaded")
    daemon.send("a.test")
    daemon.wait_counts("a.test", 2)


def test_replaced_socket(reporter):
    """What somebody has put in its place is left alone, and that is said."""
    daemon = reporter()
    daemon.socket.unlink()
    daemon.socket.write_text("precious")
    daemon.signal(signal.SIGHUP)
    daemon.wait_log("reload: .*no socket is in the way")
    assert daemon.socket.read_text() == "precious"


def test_stop_reads_all(reporter, site):
    """What was written to a long queue before the end counts."""
    site.namespace.run(["sysctl", "-q", "-w", "net.unix.max_dgram_qlen=4096"])
    daemon = reporter()
    try:
        daemon.signal(signal.SIGSTOP)
        # What one socket may have on its way is limited.
        for _ in range(15):
            daemon.send("a.test", times=200)
        daemon.signal(signal.SIGTERM)
        daemon.signal(signal.SIGCONT)
        assert daemon.stop() == 0
        assert daemon.counts("a.test") == (3000, 0)
    finally:
        site.namespace.run(["sysctl", "-q", "-w", "net.unix.max_dgram_qlen=512"])


# Days.


def test_missed_days(reporter, endpoint):
    """Days of the last 48 hours are sent when it is up again, each by
    itself; older ones are not."""
    host = endpoint(OK)
    daemon = reporter()
    first = daemon.clock.noon
    for day in range(4):
        daemon.jump(first + day * DAY)
        daemon.send(f"day{day}.test", rua=rua(1))
        daemon.wait_counts(f"day{day}.test", 1)
        if day == 0:
            # From here on it only collects.
            daemon.roles = ["collect"]
    daemon.stop()
    daemon.roles = ["collect", "report"]
    daemon.start()
    for day in (1, 2):
        daemon.wait_delivery(f"day{day}.test", DONE)
    assert "day0.test: a day is too old to be reported" in daemon.log()
    days = sorted(report_of(r)["date-range"]["start-datetime"] for r in host.requests)
    assert days == [
        time.strftime("%Y-%m-%dT00:00:00Z", time.gmtime(first + day * DAY))
        for day in (1, 2)
    ]


def test_clock_goes_back(reporter, endpoint):
    """A day that was sent stays sent, and what comes for it is not lost."""
    host = endpoint(OK)
    daemon = reporter()
    daemon.send("a.test", rua=rua(1))
    daemon.wait_counts("a.test", 1)
    daemon.after_midnight()
    daemon.wait_delivery("a.test", DONE)
    daemon.jump(daemon.clock.noon)
    daemon.send("a.test", rua=rua(1))
    daemon.send("b.test", rua=rua(1))
    daemon.wait_counts("b.test", 1)
    daemon.after_midnight()
    daemon.wait_delivery("b.test", DONE)
    assert len(host.requests) == 2
    assert len(set(ids(host.requests))) == 2
