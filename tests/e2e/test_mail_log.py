"""TLS sessions of a Postfix before 3.10, told from its log.

Debian 12's Postfix delivers, honestly and under attack; strictmxd follows its
log and hands what it understood to the socket of role collect, which is ours.
"""

import json
import socket

import pytest

import deliveries
from netns import wait_until
from zones import txt

CONTACT = "tls-reports@sender.test"
RECORD = "v=TLSRPTv1; rua=mailto:tlsrpt@bank.test"


class Listener:
    """The socket of role collect."""

    def __init__(self, folder, name="log"):
        self.path = folder / f"tlsrpt-{name}"
        self.path.unlink(missing_ok=True)
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(str(self.path))
        self.sock.settimeout(0.2)
        self.found = []

    def read(self):
        """Take what is there; all that was ever read."""
        try:
            while True:
                self.found.append(json.loads(self.sock.recv(300000)))
        except TimeoutError:
            return self.found

    def of(self, domain):
        """(policy type, failed?, code) of each session with a domain."""
        return [
            (
                policy["policy-type"],
                bool(policy["f"]),
                policy.get("failure-details", [{"c": None}])[0]["c"],
            )
            for datagram in self.read()
            for policy in datagram["policies"]
            if datagram["d"] == domain
        ]


@pytest.fixture(scope="module")
def heard(world):
    """The daemon that reads the log of the world's sender, and its listener."""
    for domain in ("bank.test", "club.test"):
        world.dns.set(f"_smtp._tls.{domain}", "TXT", txt(RECORD))
    world.dns.publish("bank.test", "club.test")
    listener = Listener(world.namespace.folder)
    daemon = world.daemon(
        "mail-log",
        port=8493,
        events_to=f"unix:{listener.path}",
        mail_log=str(world.sender.log_file),
        testing_probe=False,
    )
    with daemon.configuration.open("a", encoding="ascii") as file:
        file.write(f'report {{\n    contact = "{CONTACT}"\n}}\n')
    daemon.start()
    # The policy is known, as it would be with the daemon that Postfix asks.
    daemon.query("bank.test")
    yield listener
    daemon.check_healthy()
    assert daemon.stop() == 0


def test_good_sessions(world, heard):
    """One that was verified, and one with a domain without a policy."""
    for domain in ("bank.test", "club.test"):
        delivery, _ = world.sender.send(f"someone@{domain}")
        assert delivery.status == "sent"
    wait_until(lambda: heard.of("bank.test") and heard.of("club.test"), 10, "sessions")
    assert heard.of("bank.test") == [(2, False, None)]
    assert heard.of("club.test") == [(9, False, None)]


def test_own_reports_are_no_sessions(world, heard):
    """Or there would be one more each day, about the last one."""
    before = {d: len(heard.of(d)) for d in ("bank.test", "club.test")}
    queue_id, _ = world.sender.submit("tlsrpt@bank.test", sender=CONTACT)
    assert world.sender.outcome(queue_id).is_verified
    world.sender.send("someone@club.test")
    wait_until(lambda: len(heard.of("club.test")) > before["club.test"], 10, "a session")
    assert len(heard.of("bank.test")) == before["bank.test"]


@pytest.mark.parametrize(
    "attack, code", [("strip", 201), ("forge", 202), ("swap", 203)]
)
def test_attacks(world, heard, attack, code):
    """What keeps the mail back is told with its result type."""
    session = (2, True, code)
    before = len(heard.of("bank.test"))
    with deliveries.under_attack(world, attack):
        world.sender.send("someone@bank.test")
        wait_until(lambda: session in heard.of("bank.test")[before:], 10, str(session))
    # A forged MX record is told beside: validation-failure, sts-mx-mismatch.
    assert set(heard.of("bank.test")[before:]) <= {session, (2, True, 205)}


@pytest.mark.parametrize("attack, code", [("strip", 201), ("swap", 203)])
def test_many_recipients_are_one_session(world, heard, attack, code):
    """Each has a line, and the reason stands before the first only."""
    before = len(heard.of("bank.test"))
    mail = [f"someone{i}@bank.test" for i in range(5)]
    with deliveries.under_attack(world, attack):
        queue_id, _ = world.sender.submit(*mail)
        lines = f"{queue_id}: to="
        wait_until(lambda: world.sender.log().count(lines) == 5, 20, "five lines")
    # The daemon is behind this one when it is told.
    world.sender.send("someone@bank.test")
    wait_until(lambda: (2, False, None) in heard.of("bank.test")[before:], 10, "the end")
    assert [s[2] for s in heard.of("bank.test")[before:] if s[2]] == [code]


def test_burst(world):
    """A queue that is shorter than what comes at once makes nothing lost."""
    namespace = world.namespace
    # Of sockets made from now on.
    namespace.run(["sysctl", "-q", "-w", "net.unix.max_dgram_qlen=10"])
    with namespace.entered():
        listener = Listener(namespace.folder, "burst")
    namespace.run(["sysctl", "-q", "-w", "net.unix.max_dgram_qlen=512"])
    log = namespace.folder / "burst.log"
    log.touch()
    daemon = world.daemon(
        "mail-burst", port=8494, events_to=f"unix:{listener.path}", mail_log=str(log)
    )
    daemon.start()
    lines = []
    for number in range(1500):
        smtp = f"Nov 24 03:15:34 sender postfix/smtp[{10000 + number}]: "
        lines.append(
            f"{smtp}Trusted TLS connection established to "
            "mx.hoster.test[10.25.3.1]:25: TLSv1.3 with cipher "
            "TLS_AES_256_GCM_SHA384 (256/256 bits)\n"
            f"{smtp}7B{number}: to=<a@club.test>, "
            "relay=mx.hoster.test[10.25.3.1]:25, delay=0.02, delays=0/0/0/0.01, "
            "dsn=2.0.0, status=sent (250 2.0.0 Ok)\n"
        )
    with log.open("a", encoding="ascii") as file:
        file.writelines(lines)
    wait_until(lambda: len(listener.of("club.test")) == len(lines), 30, "all of them")
    daemon.check_healthy()
    assert daemon.stop() == 0
    assert "can't be handed" not in daemon.log()


def test_others_are_not_told(heard):
    """Domains without a TLS reporting record."""
    assert {d["d"] for d in heard.read()} <= {"bank.test", "club.test"}
