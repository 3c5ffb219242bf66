"""The units as systemd runs them: sandbox, sockets, journal, restart.

Debian's Postfix delivers and writes to the journal, role resolve follows that
and tells role collect, and role report sends, by HTTPS and by mail.
"""

import gzip
import json
import re
import time

import pytest

import httpsfault as faulty
from handover import ReportHost
from machine import Machine
from mailhost import MailHost
from netns import wait_until
from reportworld import DAY, GRACE
from zones import txt

REPORTS = "10.26.2.1"
HOST = "r1.rpt.test"
RUA = f"https://{HOST}/in"
SMARTHOST_PORT = 2561
STORE = "/var/lib/strictmx-reports/reports.db"
COLLECT, REPORT, RESOLVE = (
    f"strictmxd-{role}.service" for role in ("collect", "report", "resolve")
)

# As docs/sending-reports.md has it, but for what makes a test's world.
CONFIGURATION = """\
resolve {{
    mail_log = "journal"
    forwarders = {{ "{resolver}" }}
    trust_anchor_file = "/etc/strictmx/anchor"
    ca_file = "/etc/strictmx/ca.pem"
    allow_private_addresses = true
}}
collect {{ }}
report {{
    contact = "tls-reports@sender.test"
    spread = "0s"
    allow_private_addresses = true
    copy_to = "/var/lib/strictmx-reports/copies"
    smarthost = "127.0.0.1:{smarthost}"
    dkim_keys = {{ "tlsrpt:/run/credentials/strictmxd-report.service/tlsrpt.pem" }}
}}
"""
DROP_INS = {
    RESOLVE: "[Service]\nSupplementaryGroups=postfix systemd-journal",
    REPORT: "[Service]\nLoadCredential=tlsrpt.pem:/etc/strictmx/tlsrpt.pem",
    # The world's own strictmxd has the port.
    "strictmxd-resolve.socket": "[Socket]\nListenStream=\n"
    "ListenStream=/var/spool/postfix/strictmx/policy",
}

MAIN_CF = """\
compatibility_level = 3.6
myhostname = sender.test
mydestination =
inet_interfaces = loopback-only
inet_protocols = ipv4
smtp_tls_security_level = may
smtp_tls_CAfile = /etc/strictmx/ca.pem
smtp_tls_loglevel = 1
smtp_tls_policy_maps = socketmap:unix:strictmx/policy:strictmx-plain
"""

WRITE = """\
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
for datagram in sys.argv[1:]:
    s.sendto(datagram.encode(), "/var/spool/postfix/strictmx/tlsrpt")
"""

END_THE_DAY = """\
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute("UPDATE domain_day SET day = ?", (sys.argv[2],))
db.commit()
"""


@pytest.fixture(scope="module")
def machine(world):
    """It is up, with everything installed and nothing of ours started."""
    # Its clock is the real one, and "today" has to stay the same day.
    left = DAY - time.time() % DAY
    if left < 180:
        time.sleep(left + 1)
    namespace = world.namespace
    if f" {REPORTS}/" not in namespace.run(["ip", "-o", "addr"]).stdout:
        namespace.add_addresses([REPORTS])
    world.dns.set(HOST, "A", REPORTS)
    world.dns.set("_smtp._tls.bank.test", "TXT", txt(f"v=TLSRPTv1; rua={RUA}"))
    world.dns.set("_smtp._tls.club.test", "TXT", txt(f"v=TLSRPTv1; rua={RUA}"))
    world.dns.publish("rpt.test", "bank.test", "club.test")
    made = Machine(world)
    made.install()
    made.copy(world.authority.root, "etc/strictmx/ca.pem")
    made.copy(world.dns.trust_anchor, "etc/strictmx/anchor")
    made.write(
        "etc/strictmx/strictmx.conf",
        CONFIGURATION.format(resolver=world.resolver, smarthost=SMARTHOST_PORT),
    )
    for unit, text in DROP_INS.items():
        made.write(f"etc/systemd/system.here/{unit}.d/override.conf", f"{text}\n")
    made.write("etc/postfix/main.cf", MAIN_CF)
    made.boot()
    made.run("openssl", "genrsa", "-out", "/etc/strictmx/tlsrpt.pem", "2048")
    made.run("chmod", "600", "/etc/strictmx/tlsrpt.pem")
    return made


@pytest.fixture(scope="module")
def queue(machine):
    """Sets how many datagrams the kernel keeps for a new socket."""

    def make(length):
        machine.world.namespace.run(
            ["sysctl", "-q", "-w", f"net.unix.max_dgram_qlen={length}"]
        )

    yield make
    make(512)


@pytest.fixture(scope="module")
def up(machine, queue):
    """All roles, as the guide has them started."""
    queue(10)
    for units in (
        ["strictmxd-resolve.service"],
        ["strictmxd-collect.socket", "strictmxd-collect.service"],
        ["strictmxd-report.service"],
    ):
        machine.enable(*units)
    return machine


def write(machine, *datagrams):
    """What an MTA does, and as its user."""
    machine.run("setpriv", "--reuid=postfix", "--regid=postfix", "--clear-groups",
                "/usr/bin/python3", "-c", WRITE, *datagrams)


def datagram(domain, rua=RUA):
    """A session that went well."""
    policy = {"policy-type": 9, "policy-domain": domain, "f": 0}
    record = f"v=TLSRPTv1; rua={rua}"
    return json.dumps({"d": domain, "pr": record, "policies": [policy]})


def counted(machine, domain):
    """Sessions of today with a domain, by kind of policy."""
    done = machine.run("strictmx", "report", "preview", domain, check=False)
    if done.returncode != 0:
        return {}
    return {
        row["policy"]["policy-type"]: (
            row["summary"]["total-successful-session-count"],
            row["summary"]["total-failure-session-count"],
        )
        for row in json.loads(done.stdout)["policies"]
    }


def test_all_are_up(up):
    """None has failed, each runs as a user that is not root, and nothing was
    said that would make an admin look twice."""
    assert up.text("systemctl", "--failed", "--plain", "--no-legend") == ""
    for unit in (COLLECT, REPORT, RESOLVE):
        assert up.text("systemctl", "is-active", unit) == "active"
        pid = up.text("systemctl", "show", "-P", "MainPID", unit)
        assert up.text("stat", "-c", "%u", f"/proc/{pid}") != "0"
        assert "rror" not in up.log(unit)
    assert up.text("stat", "-c", "%U:%G %a", "/var/spool/postfix/strictmx/tlsrpt") == (
        "root:postfix 660"
    )
    assert up.text("stat", "-L", "-c", "%a", "/var/lib/strictmx-reports", STORE) == (
        "700\n600"
    )


def test_collect_sees_no_network(up):
    """Not even the world's."""
    pid = up.text("systemctl", "show", "-P", "MainPID", COLLECT)
    links = up.text("nsenter", f"--target={pid}", "--net", "ip", "-o", "link")
    assert len(links.splitlines()) == 1 and " lo:" in links


def test_a_short_queue_is_told(up, queue):
    """The socket is made by systemd in one namespace, and read in another."""
    up.wait_log(COLLECT, "keeps only 11 datagrams")
    queue(512)
    before = len(up.log(COLLECT))
    up.run("systemctl", "restart", "strictmxd-collect.socket", COLLECT)
    up.wait_log(COLLECT, "(?s)is ready.*is ready")
    assert "keeps only" not in up.log(COLLECT)[before:]
    assert "can't be found out" not in up.log(COLLECT)


def test_postfix_by_the_journal(up):
    """A delivery of Debian's own Postfix is in the report of the day, and that
    of a report is not."""
    up.run("systemctl", "start", "postfix@-.service")
    for sender, recipient in (
        ("tls-reports@sender.test", "tlsrpt@bank.test"),
        ("me@sender.test", "someone@bank.test"),
        ("me@sender.test", "someone@club.test"),
    ):
        up.run("sh", "-c", f"echo hello | sendmail -f {sender} {recipient}")
        wait_until(
            lambda who=recipient: f"to=<{who}>" in up.text(
                "journalctl", "--no-pager", "-o", "cat", "_COMM=smtp"
            ),
            30, recipient,
        )
    wait_until(
        lambda: counted(up, "bank.test") and counted(up, "club.test"),
        30, up.log(RESOLVE),
    )
    assert counted(up, "bank.test") == {"sts": (1, 0)}
    assert "Verified TLS connection" in up.text(
        "journalctl", "--no-pager", "-o", "cat", "_COMM=smtp"
    )


def test_rotated_journal(up):
    """What comes in the new file is read, too, again and again."""
    before = counted(up, "bank.test")["sts"][0]
    for more in (1, 2):
        up.run("journalctl", "--rotate")
        up.run("sh", "-c", "echo hello | sendmail -f me@sender.test x@bank.test")
        wait_until(
            lambda much=before + more: counted(up, "bank.test") == {"sts": (much, 0)},
            30, up.log(RESOLVE),
        )


SAY = """\
import signal, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
for text in sys.argv[1:]:
    s.sendto(b"<22>postfix/smtp[1]: " + text.encode(), "/dev/log")
# journald asks the kernel for the name of who says something, after the fact.
signal.pause()
"""
FORGED = "mx.forged.test[192.0.2.1]"
RECIPIENT = f"7B: to=<x@bank.test>, relay={FORGED}:25, delay=1, "


def test_another_users_smtp_is_nothing(up):
    """Anybody can call a program smtp, and have it say what Postfix says."""
    before = counted(up, "bank.test")
    up.run("install", "-m", "755", "/usr/bin/python3", "/var/tmp/smtp")

    def say(user, *texts):
        up.run("systemd-run", "--quiet", "--unit=said", f"--uid={user}",
               "/var/tmp/smtp", "-c", SAY, *texts)
        match = ("_COMM=smtp", f"_UID={up.text('id', '-u', user)}")
        wait_until(
            lambda: FORGED in up.text("journalctl", "--no-pager", *match),
            30, f"what {user} says",
        )
        up.run("systemctl", "stop", "said")

    say("nobody", RECIPIENT + "status=deferred (Server certificate not trusted)")
    say("postfix", f"Trusted TLS connection established to {FORGED}:25: TLSv1.3",
        RECIPIENT + "status=sent (250 Ok)")
    # By the time that this one counts, the first has been read, too.
    wait_until(lambda: counted(up, "bank.test") != before, 20, "what postfix says")
    assert counted(up, "bank.test") == {
        kind: (good + 1, bad) for kind, (good, bad) in before.items()
    }


def test_killed_collect_comes_back(up):
    """What is written while it is down waits in the socket, which is
    systemd's."""
    write(up, datagram("kill.test"))
    wait_until(lambda: counted(up, "kill.test"), 10, "the first")
    up.run("systemctl", "kill", "-s", "KILL", COLLECT)
    write(up, *[datagram("kill.test")] * 5)
    wait_until(
        lambda: counted(up, "kill.test") == {"no-policy-found": (6, 0)}, 20, "all six"
    )
    assert "Failed" not in up.text("systemctl", "is-failed", COLLECT)


def test_reload(up):
    """All of them take their configuration anew; what is wrong changes
    nothing."""
    units = (COLLECT, REPORT, RESOLVE)
    for unit in units:
        up.run("systemctl", "reload", unit)
        up.wait_log(unit, "reloaded")
        assert up.text("systemctl", "is-active", unit) == "active"


def test_reports_leave_the_sandbox(up):
    """By HTTPS, and by mail with a signature whose key only root can read."""
    namespace = up.world.namespace
    host = ReportHost(
        namespace, REPORTS, up.world.authority.issue(HOST),
        faulty.send(faulty.response("", status="200 OK")),
    )
    # The last one that is over for role report.
    day = int(time.time() - GRACE) // DAY - 1
    write(up, datagram("posted.test"), datagram("mailed.test", "mailto:tls@x.test"))
    wait_until(lambda: counted(up, "mailed.test"), 10, "counts")
    host.start()
    try:
        with MailHost(namespace, "127.0.0.1", port=SMARTHOST_PORT) as mailbox:
            up.run("/usr/bin/python3", "-c", END_THE_DAY, STORE, str(day))
            wait_until(lambda: mailbox.messages, 30, up.log(REPORT))
            wait_until(
                lambda: "posted.test" in map(domain_of, host.requests),
                30, up.log(REPORT),
            )
            data = mailbox.messages[0].data
    finally:
        host.stop()
    assert re.search(rb"(?s)^DKIM-Signature: .*d=sender\.test; s=tlsrpt;", data)
    wait_until(
        lambda: "!mailed.test!" in up.text("ls", "/var/lib/strictmx-reports/copies"),
        30, up.log(REPORT),
    )
    table = up.text("strictmx", "report", "list", "mailed.test")
    assert "delivered" in table, table


def domain_of(request):
    """Whom a POST is about."""
    report = json.loads(gzip.decompress(request.body))
    return report["policies"][0]["policy"]["policy-domain"]
