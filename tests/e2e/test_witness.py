"""What strictmxd itself tells in TLS reports: events for role collect.

A real daemon, real DNS, policy hosts and mail servers; the socket of role
collect is ours.
"""

import json
import signal
import socket
import time

import pytest

import checkworld
from check_site import HOSTER, Mx, Site
from daemon import Strictmxd
from policyhost import policy_text

REASON = "failure_reason"
QUIET_S = 1.5

# Domain -> what its site has besides, the code of libtlsrpt that is told
# (0: a session that went well; None: nothing), and a part of the reason.
SOUND = {"mode": "testing", "mx": (Mx(),)}
CASES = {
    "testing-good": (SOUND, 0, ""),
    "testing-expired": (
        {"mode": "testing", "mx": (Mx(certificate="expired"),)},
        204,
        "expired",
    ),
    "testing-name": (
        {"mode": "testing", "mx": (Mx(certificate="other-name"),)},
        202,
        "ostname mismatch",
    ),
    "testing-untrusted": (
        {"mode": "testing", "mx": (Mx(certificate="self-signed"),)},
        203,
        "self-signed",
    ),
    "testing-plain": (
        {"mode": "testing", "mx": (Mx(script="smtp-no-starttls"),)},
        201,
        "",
    ),
    "testing-early": (
        {"mode": "testing", "mx": (Mx(certificate="not-yet"),)},
        203,
        "not yet valid",
    ),
    # The reason is that of the result.
    "testing-two-faults": (
        {"mode": "testing", "mx": (Mx(certificate="expired-other-name"),)},
        202,
        "ostname mismatch",
    ),
    "testing-closed": (
        {"mode": "testing", "mx": (Mx(script="smtp-tls-closed"),)},
        205,
        "closed in the TLS handshake",
    ),
    "testing-reset": (
        {"mode": "testing", "mx": (Mx(script="smtp-tls-reset"),)},
        205,
        "reset in the TLS handshake",
    ),
    # Without EHLO no STARTTLS: so it is taken from those who look for it.
    "testing-no-ehlo": (
        {"mode": "testing", "mx": (Mx(script="smtp-no-ehlo"),)},
        201,
        "500",
    ),
    "testing-outside": (
        {"mode": "testing", "mx": (Mx(),), "patterns": ("mx.elsewhere.test",)},
        205,
        "sts-mx-mismatch",
    ),
    "enforce-outside": (
        {"mx": (HOSTER,), "patterns": ("mx.elsewhere.test",)},
        205,
        "sts-mx-mismatch",
    ),
    # Postfix itself tells of its sessions under an enforced policy.
    "enforce-good": ({"mx": (Mx(),)}, None, ""),
    "enforce-expired": ({"mx": (Mx(certificate="expired"),)}, None, ""),
    "host-expired": ({"web_certificate": "expired"}, 303, "expired"),
    "host-refused": ({"web": ("refused",)}, 301, "refused"),
    "policy-wrong": ({"policy": "version: STSv2\n"}, 302, "policy-version"),
    # With a policy from before, which stays in force.
    "kept-expired": ({"web_certificate": "expired"}, 303, "expired"),
    # One that says that the domain is about to do without.
    "none-expired": ({"web_certificate": "expired"}, None, ""),
    # Nobody asked to be told, or could be.
    "silent-expired": (
        {"mode": "testing", "mx": (Mx(certificate="expired"),), "tlsrpt": ()},
        None,
        "",
    ),
    "silent-host": ({"web_certificate": "expired", "tlsrpt": ()}, None, ""),
    # Its MX hosts get no mail from here.
    "testing-smart-host": (
        {"mode": "testing", "mx": (Mx(certificate="expired"),)},
        None,
        "",
    ),
    # A mail server that can't be reached, or wants nothing of us, is no news
    # about TLS.
    "testing-refusing": (
        {"mode": "testing", "mx": (Mx(script="smtp-554"),)},
        None,
        "",
    ),
    "testing-refused": (
        {"mode": "testing", "mx": (Mx(addresses=("refused",)),)},
        None,
        "",
    ),
}


# Policies from before, by mode.
KEPT = {"kept-expired": "enforce", "none-expired": "none"}
RECHECK_S = 1


@pytest.fixture(scope="module")
def witness_world():
    """A domain for each case."""
    sites = [Site(f"{name}.test", **case[0]) for name, case in CASES.items()]
    with checkworld.CheckWorld("w", sites=sites) as raised:
        yield raised


def datagrams(sock, count, timeout):
    """What arrives, until there are so many and it is quiet then."""
    found = []
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        quiet = QUIET_S if len(found) >= count else 0.2
        sock.settimeout(min(quiet, timeout))
        try:
            found.append(json.loads(sock.recv(300000)))
        except TimeoutError:
            if len(found) >= count:
                break
    return found


def ask_about_all(daemon, sock, count, timeout):
    """One look-up of each domain, as an MTA does it; what is told then."""
    found = []
    for name in CASES:
        if name == "testing-smart-host":
            daemon.query(f"[{name}.test]:587")
        else:
            daemon.query(f"{name}.test")
        # The kernel keeps few of them.
        found += datagrams(sock, 1, 0.01)
    return found + datagrams(sock, count - len(found), timeout)


@pytest.fixture(scope="module")
def told(witness_world):
    """Domain -> its datagrams, after one look-up of each."""
    path = witness_world.namespace.folder / "tlsrpt"
    expected = sum(case[1] is not None for case in CASES.values())
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(path))
        daemon = Strictmxd(
            witness_world,
            "witness",
            events_to=f"unix:{path}",
            recheck=f"{RECHECK_S}s",
        )
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        done = daemon.import_policies(
            (f"{name}.test", "before", now, policy_text(mode, HOSTER))
            for name, mode in KEPT.items()
        )
        assert done.returncode == 0, done.stdout
        daemon.start()
        found = ask_about_all(daemon, sock, expected, 30)
        # Mail flows on: as soon as that is looked at again, and after a reload.
        time.sleep(1.2 * RECHECK_S)
        again = ask_about_all(daemon, sock, 0, 2 * QUIET_S)
        daemon.signal(signal.SIGHUP)
        daemon.wait_log("configuration reloaded")
        time.sleep(1.2 * RECHECK_S)
        reloaded = ask_about_all(daemon, sock, 0, 2 * QUIET_S)
        daemon.check_healthy()
        assert daemon.stop() == 0
    by_domain = {f"{name}.test": [] for name in CASES}
    for datagram in found:
        by_domain[datagram["d"]].append(datagram)
    by_domain["again"] = again
    by_domain["reloaded"] = reloaded
    return by_domain


@pytest.mark.parametrize("name", CASES)
def test_told(told, name):
    """One session that says what is wrong, or none at all."""
    site, code, reason = CASES[name]
    mine = told[f"{name}.test"]
    if code is None:
        assert mine == []
        return
    (datagram,) = mine
    assert datagram["pr"].startswith("v=TLSRPTv1")
    (policy,) = datagram["policies"]
    assert policy["policy-type"] == 2
    assert policy["policy-domain"] == f"{name}.test"
    assert policy["f"] == (code != 0)
    if code in (0, 201, 202, 203, 204, 205):
        assert f"mode: {site.get('mode', 'enforce')}" in policy["policy-string"]
        assert policy["mx-host"]
    if code == 0:
        assert "failure-details" not in policy
        return
    (failure,) = policy["failure-details"]
    assert failure["c"] == code
    assert reason in failure.get("f", "")
    if code < 300:
        assert failure["n"] in (f"mx.{name}.test", HOSTER)
    if code in (201, 202, 203, 204):
        assert failure["r"].startswith("10.90.")
        # Only in reply to EHLO it says what it calls itself.
        helo = None if name == "testing-no-ehlo" else f"mx.{name}.test"
        assert failure.get("h") == helo


def test_not_told_twice(told):
    """MX hosts are looked at once an hour, failures remembered."""
    assert told["again"] == []


def test_not_told_again_after_a_reload(told):
    """What is known stays known."""
    assert told["reloaded"] == []


LOGGED = """\
Nov 24 03:15:34 mail postfix/smtp[{pid}]: Verified TLS connection established to \
mx.enforce-good.test[10.90.0.9]:25: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 \
(256/256 bits)
Nov 24 03:15:34 mail postfix/smtp[{pid}]: 4X: to=<a@enforce-good.test>, \
relay=mx.enforce-good.test[10.90.0.9]:25, delay=0.1, delays=0/0/0.1/0, dsn=2.0.0, \
status=sent (250 2.0.0 Ok)
"""


def test_log_across_reloads(witness_world):
    """Each session in the mail log is told once, and by the policy in force."""
    folder = witness_world.namespace.folder
    log = folder / "mail.log"
    log.touch()
    found = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(folder / "tlsrpt-log"))
        daemon = Strictmxd(
            witness_world,
            "witness-log",
            port=8462,
            events_to=f"unix:{folder / 'tlsrpt-log'}",
            mail_log=str(log),
        )
        daemon.start()
        daemon.query("enforce-good.test")
        for pid in range(1, 13):
            with log.open("a", encoding="utf-8") as lines:
                lines.write(LOGGED.format(pid=pid))
            if pid % 3 == 0:
                daemon.signal(signal.SIGHUP)
            found += datagrams(sock, 1, 0.4)
        found += datagrams(sock, 12 - len(found), 20)
        daemon.check_healthy()
        assert daemon.stop() == 0
    policies = [policy for datagram in found for policy in datagram["policies"]]
    assert [(p["policy-type"], p["f"]) for p in policies] == [(2, 0)] * 12
