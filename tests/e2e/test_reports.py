"""A day of TLS reports: Debian 13's Postfix delivers to domains that are wrong
in every way, tells what it saw through libtlsrpt, midnight passes, and the
reports arrive: posted, and mailed.

Postfix and strictmxd's role resolve are left to themselves here, so that it
stays known what Postfix alone can tell.
"""

import base64
import datetime
import email
import email.policy
import email.utils
import gzip
import json
import re
import subprocess
import types

import dkim
import pytest

import httpsfault
from daemon import environment, program
from handover import ReportHost
from netns import run, wait_until, watch_quiet
from policyhost import policy_text
from reportworld import (
    CONTACT, DANE_SENDER_PORT, DAY, DONE, GRACE, MAILBOX_ADDRESS, MAILBOX_DOMAIN,
    ORGANIZATION, REPORTS_ADDRESS, REPORTS_HOST, RUA_HTTPS, RUA_MAIL, SENDER_PORT,
    SUBMITTER, Reporter, ReportSite, TlsrptSender, mx_address, mx_name,
)

HELO = "ehlo.rpt.test"
SELECTORS = {"r2026": "rsa", "e2026": "ed25519"}


def failure(host, result, reason=None, count=1, mx=None):
    """A row of failure-details, as it must be."""
    row = {
        "result-type": result,
        # Everything is on one machine: a connection goes out from where it
        # goes to.
        "sending-mta-ip": mx_address(host),
        "receiving-mx-hostname": mx or mx_name(host),
        "receiving-ip": mx_address(host),
        "receiving-mx-helo": HELO,
        "failed-session-count": count,
    }
    if reason:
        row["failure-reason-code"] = reason
    return row


# Domains with a policy in enforce: host, and the row of the report.
ENFORCED = {
    "clear": failure("clear", "starttls-not-supported"),
    "expired": failure("expired", "certificate-expired"),
    "wrong": failure("wrong", "certificate-host-mismatch"),
    "selfsigned": failure(
        "selfsigned", "certificate-not-trusted", "self-signed_certificate"
    ),
    "unknownca": failure(
        "unknownca",
        "certificate-not-trusted",
        "unable_to_get_local_issuer_certificate",
    ),
}
# Hosts whose certificate nobody can trust, or that is not theirs.
UNTRUSTED = ["expired", "wrong", "selfsigned", "unknownca"]
EXTRA = 'x: "quoted" \\ <&> end'


def dane_hosts(site):
    """MX hosts in a signed zone, by domain, with their TLSA records."""
    return {"dane": site.tlsa(), "dane-bad": f"3 1 1 {'ab' * 32}"}


@pytest.fixture(scope="module")
def site(world):
    """All domains."""
    made = ReportSite(world)
    both = f"{RUA_HTTPS},{RUA_MAIL}"
    made.domain("good.rpt.test", "good", "enforce", rua=both)
    made.domain("mixed.rpt.test", "good", "enforce")
    for host in ENFORCED:
        made.domain(f"{host}.rpt.test", host, "enforce")
    made.domain("stray.rpt.test", "stray", "enforce", "other.example")
    for host in ("clear", "stray", *UNTRUSTED):
        pattern = "other.example" if host == "stray" else None
        made.domain(f"testing-{host}.rpt.test", host, "testing", pattern)
        made.domain(f"may-{host}.rpt.test", host)
    made.domain("nopolicy.rpt.test", "selfsigned", rua=RUA_MAIL)
    made.domain("norecord.rpt.test", "good", "enforce", rua=None)
    made.domain("fetch-error.rpt.test", "good", "enforce")
    made.domain(MAILBOX_DOMAIN, "good", "enforce", f"mx.{MAILBOX_DOMAIN}")
    made.publish()
    dns = world.dns
    dns.set(MAILBOX_DOMAIN, "MX", f"10 mx.{MAILBOX_DOMAIN}.")
    # Two hosts, and a field that is not easy to print.
    world.policy(
        "mixed.rpt.test",
        policy_text("enforce", mx_name("good"), "*.mx.rpt.test", extra=[EXTRA]),
    )
    # Its policy host has a record, and nothing else.
    dns.set("mta-sts.fetch-error.rpt.test", "A", "10.26.2.9")
    for name, record in dane_hosts(made).items():
        dns.set(f"{name}.tlsa.test", "MX", f"10 mx.{name}.tlsa.test.")
        dns.set(f"mx.{name}.tlsa.test", "A", mx_address("good"))
        dns.set(f"_25._tcp.mx.{name}.tlsa.test", "TLSA", record)
        rua = f'"v=TLSRPTv1; rua={RUA_HTTPS}"'
        dns.set(f"_smtp._tls.{name}.tlsa.test", "TXT", rua)
    made.publish()
    return made


@pytest.fixture(scope="module")
def keys(site):
    """A DKIM key of each kind, with its record; selector -> file."""
    made = {}
    for selector, kind in SELECTORS.items():
        file = site.namespace.folder / f"{selector}.pem"
        run(["openssl", "genpkey", "-algorithm", kind, "-out", file])
        public = run(["openssl", "pkey", "-in", file, "-pubout"]).stdout
        text = "".join(public.strip().splitlines()[1:-1])
        if kind == "ed25519":
            # RFC 8463, 4.2: the key alone.
            text = base64.b64encode(base64.b64decode(text)[-32:]).decode()
        record = f"v=DKIM1; k={kind}; p={text}"
        quoted = " ".join(f'"{record[i:i + 200]}"' for i in range(0, len(record), 200))
        site.world.dns.set(f"{selector}._domainkey.{SUBMITTER}", "TXT", quoted)
        made[selector] = file
    site.world.dns.publish("rpt.test")
    return made


@pytest.fixture(scope="module")
def senders(world, site):
    """Postfix 3.10 as strictmx wants it, and one that does DANE."""
    may = world.namespace.folder / "may-policies"
    # What other daemons answer in testing; strictmx doesn't.
    may.write_text(
        "".join(
            f"may-{host}.rpt.test may policy_type=sts "
            f"policy_domain=may-{host}.rpt.test "
            f"mx_host_pattern={'other.example' if host == 'stray' else mx_name(host)} "
            "{ policy_string = version: STSv1 } { policy_string = mode: testing }\n"
            for host in ("clear", "stray", *UNTRUSTED)
        ),
        encoding="ascii",
    )
    maps = "texthash:/mnt/may-policies, socketmap:inet:127.0.0.1:8461:strictmx"
    sender = TlsrptSender(world, "tlsrpt", SENDER_PORT, maps)
    dane = TlsrptSender(
        world,
        "tlsrpt-dane",
        DANE_SENDER_PORT,
        None,
        smtp_tls_security_level="dane",
        smtp_dns_support_level="dnssec",
    )
    dane.resolv = site.validating_resolv
    for each in (sender, dane):
        each.configure()
    made = types.SimpleNamespace(sts=sender, dane=dane)
    yield made
    sender.stop()
    dane.stop()


@pytest.fixture(scope="module")
def reporter(world, site, keys, senders):
    """strictmxd, beside both, with a clock of its own."""
    sockets = [f"unix:{s.socket}" for s in (senders.sts, senders.dane)]
    made = Reporter(
        world,
        "reporter",
        # The users of Debian 13 have other numbers.
        collect={"listen": sockets, "socket_mode": "0666"},
        report={
            "smarthost": f"127.0.0.1:{SENDER_PORT}",
            "dkim_keys": [f"{name}:{file}" for name, file in keys.items()],
        },
    )
    made.start()
    for sender, child in [(s, s.start()) for s in (senders.sts, senders.dane)]:
        sender.wait_started(child)
    yield made
    assert made.stop() == 0, made.log()
    made.check_log()


@pytest.fixture(scope="module")
def endpoint(site):
    """A server that takes all reports."""
    certificate = site.world.authority.issue(REPORTS_HOST)
    answer = httpsfault.send(httpsfault.response("", status="201 Created"))
    host = ReportHost(site.namespace, REPORTS_ADDRESS, certificate, answer)
    host.start()
    yield host
    host.stop()


def send_all(sender, *recipients):
    """One mail to each; returns what became of them, by domain."""
    sent = {name: sender.submit(f"a@{name}")[0] for name in recipients}
    return {name: sender.outcome(queue) for name, queue in sent.items()}


@pytest.fixture(scope="module")
def sent(world, site, senders, reporter):
    """All mail of the day; what became of it, by domain."""
    became = {}
    sts = senders.sts
    for _ in range(3):
        became.update(send_all(sts, "good.rpt.test"))
    for host, count in (("good", 2), ("expired", 1), ("wrong", 1)):
        world.mx_is("mixed.rpt.test", mx_name(host))
        for _ in range(count):
            became.update(send_all(sts, "mixed.rpt.test"))
    hosts = ("clear", "stray", *UNTRUSTED)
    became.update(send_all(sts, *(f"{host}.rpt.test" for host in hosts)))
    became.update(send_all(sts, *(f"testing-{host}.rpt.test" for host in hosts)))
    became.update(send_all(sts, *(f"may-{host}.rpt.test" for host in hosts)))
    others = ("nopolicy", "norecord", "fetch-error")
    became.update(send_all(sts, *(f"{name}.rpt.test" for name in others)))
    names = [f"{name}.tlsa.test" for name in dane_hosts(site)]
    became.update(send_all(senders.dane, *names))
    reporter.wait_counts("dane-bad.tlsa.test", 0, 1)
    # A mail's fate is logged after its datagram was written, the store is
    # behind by a second.
    reporter.wait_counts("fetch-error.rpt.test", 1)
    return became


class Reports:
    """What has arrived."""

    def __init__(self, requests, mails):
        self.requests = requests
        self.mails = mails
        # domain -> report
        self.posted = {}
        for request in requests:
            report = json.loads(gzip.decompress(request.body))
            self.posted.setdefault(domain_of(report), []).append((request, report))
        self.mailed = {}
        for data in mails:
            message = email.message_from_bytes(data, policy=email.policy.default)
            domain = message["TLS-Report-Domain"]
            self.mailed.setdefault(domain, []).append((data, message))

    def report(self, domain):
        """The one report that was posted about a domain."""
        ((_, report),) = self.posted[domain]
        return report

    def policy(self, domain):
        """The one policy in it."""
        (policy,) = self.report(domain)["policies"]
        return policy


def domain_of(report):
    """The domain is not in a report; our report-ids have it."""
    middle = report["report-id"].partition("@")[0].split(".")[1:-1]
    return ".".join(middle)


def mails_of(receiver):
    """Whatever is in a mailbox."""
    folder = receiver._mail
    return [mail.read_bytes() for mail in folder.iterdir()] if folder.exists() else []


@pytest.fixture(scope="module")
def arrived(site, senders, sent, reporter, endpoint):
    """Midnight passes: nothing goes out in the last minutes of the grace time,
    all of it behind that."""
    clock = reporter.clock
    clock.set(clock.midnight + 1)
    late = send_all(senders.sts, "good.rpt.test")
    assert late["good.rpt.test"].status == "sent"
    reporter.wait_counts("good.rpt.test", 4)
    clock.set(clock.midnight + GRACE - 20)
    # It looks every 5 seconds.
    watch_quiet(reporter.deliveries, 6)
    assert endpoint.requests == []
    clock.set(clock.midnight + GRACE + 1)
    wait_until(reporter.deliveries, 15, "the deliveries")
    wait_until(
        lambda: all(state == DONE for _, _, state, _, _ in reporter.deliveries()),
        30,
        "the end of all deliveries",
    )
    mailed = sum(uri.startswith("mailto:") for _, uri, *_ in reporter.deliveries())
    wait_until(lambda: len(mails_of(site.mailbox)) >= mailed, 20, "the mails")
    return Reports(list(endpoint.requests), mails_of(site.mailbox))


# What Postfix does.


def test_fates(sent):
    """The mail itself: enforce holds, nothing else stops mail."""
    for domain, delivery in sent.items():
        name = domain.partition(".")[0]
        held = name in ("stray", "dane-bad", "mixed", *ENFORCED)
        wanted = "deferred" if held else "sent"
        assert delivery.status == wanted, (domain, delivery)
    assert sent["good.rpt.test"].is_verified
    assert sent["dane.tlsa.test"].is_verified


def test_postfix_had_no_trouble(senders, arrived):
    """Neither with the policies nor with the socket."""
    for sender in (senders.sts, senders.dane):
        assert sender.policy_warnings() == []
        assert "tlsrpt library" not in sender.log()


# What is reported.


def test_who_gets_reports(arrived):
    """Domains with sessions and a record, each once and to each place."""
    names = {"good", "mixed", "fetch-error", *ENFORCED}
    names |= {f"{kind}-{host}" for kind in ("testing", "may") for host in UNTRUSTED}
    names |= {"may-stray", "testing-stray"}
    wanted = {f"{name}.rpt.test" for name in names}
    wanted |= {"dane.tlsa.test", "dane-bad.tlsa.test"}
    assert set(arrived.posted) == wanted
    assert all(len(reports) == 1 for reports in arrived.posted.values())
    assert set(arrived.mailed) == {"good.rpt.test", "nopolicy.rpt.test"}
    assert all(len(mails) == 1 for mails in arrived.mailed.values())


def check_frame(report, day):
    """All that is the same in each report (RFC 8460, 4.4)."""
    date = datetime.datetime.fromtimestamp(day * DAY, datetime.timezone.utc)
    policies = report["policies"]
    rest = {k: v for k, v in report.items() if k != "policies"}
    identity = rest.pop("report-id")
    assert re.fullmatch(r"[A-Za-z0-9.-]+@sender\.rpt\.test", identity)
    assert rest == {
        "organization-name": ORGANIZATION,
        "contact-info": CONTACT,
        "date-range": {
            "start-datetime": f"{date:%Y-%m-%d}T00:00:00Z",
            "end-datetime": f"{date:%Y-%m-%d}T23:59:59Z",
        },
    }
    for policy in policies:
        check_policy(policy)


def check_policy(policy):
    """Names and types of one."""
    assert {"policy", "summary"} <= set(policy)
    assert set(policy) <= {"policy", "summary", "failure-details"}
    said = policy["policy"]
    assert said["policy-type"] in ("sts", "tlsa", "no-policy-found")
    assert set(said) <= {"policy-type", "policy-string", "policy-domain", "mx-host"}
    for name in ("policy-string", "mx-host"):
        assert all(isinstance(line, str) for line in said.get(name, []))
    summary = policy["summary"]
    assert set(summary) == {
        "total-successful-session-count",
        "total-failure-session-count",
    }
    assert all(type(count) is int for count in summary.values())
    rows = policy.get("failure-details", [])
    # Every failed session here has one reason.
    assert summary["total-failure-session-count"] == sum(
        row["failed-session-count"] for row in rows
    )


def test_frame(arrived, reporter):
    """Dates, contact, identity, and the types of all members."""
    for reports in arrived.posted.values():
        for _, report in reports:
            check_frame(report, reporter.clock.day)
    identities = [arrived.report(name)["report-id"] for name in arrived.posted]
    assert len(set(identities)) == len(identities)


def counts(policy):
    """(successes, failures)"""
    summary = policy["summary"]
    return (
        summary["total-successful-session-count"],
        summary["total-failure-session-count"],
    )


def sts(domain, host, lines=None, mx=None):
    """The policy object of a domain in enforce."""
    wanted = lines or policy_text("enforce", mx_name(host)).splitlines()
    return {
        "policy-type": "sts",
        "policy-string": wanted,
        "policy-domain": domain,
        "mx-host": mx or [mx_name(host)],
    }


def test_success(arrived):
    """Three mails to a good domain; the fourth was after midnight."""
    assert arrived.policy("good.rpt.test") == {
        "policy": sts("good.rpt.test", "good"),
        "summary": {
            "total-successful-session-count": 3,
            "total-failure-session-count": 0,
        },
    }


@pytest.mark.parametrize("host", ENFORCED)
def test_failure(arrived, host):
    """Each fault has its result type, and the host that had it."""
    assert arrived.policy(f"{host}.rpt.test") == {
        "policy": sts(f"{host}.rpt.test", host),
        "summary": {
            "total-successful-session-count": 0,
            "total-failure-session-count": 1,
        },
        "failure-details": [ENFORCED[host]],
    }


def test_success_and_failure(arrived):
    """Both in one policy, and a policy string as it was applied."""
    policy = arrived.policy("mixed.rpt.test")
    pattern = [mx_name("good"), "*.mx.rpt.test"]
    lines = policy_text("enforce", *pattern, extra=[EXTRA]).splitlines()
    assert policy["policy"] == sts("mixed.rpt.test", None, lines, pattern)
    assert counts(policy) == (2, 2)
    rows = policy["failure-details"]
    assert sorted(rows, key=lambda row: row["result-type"]) == [
        ENFORCED["expired"],
        ENFORCED["wrong"],
    ]


def test_no_policy(arrived):
    """Without a policy any certificate will do."""
    ((_, message),) = arrived.mailed["nopolicy.rpt.test"]
    (policy,) = attached(message)["policies"]
    assert policy["policy"] == {
        "policy-type": "no-policy-found",
        "policy-domain": "nopolicy.rpt.test",
    }
    assert counts(policy) == (1, 0)
    assert "failure-details" not in policy


def test_dane(arrived, site):
    """The TLSA records are the policy, the MX host its domain."""
    policy = arrived.policy("dane.tlsa.test")
    assert policy["policy"] == {
        "policy-type": "tlsa",
        "policy-string": [dane_hosts(site)["dane"].upper()],
        "policy-domain": "mx.dane.tlsa.test",
    }
    assert counts(policy) == (1, 0)


def test_dane_mismatch(arrived, site):
    """A certificate that no TLSA record allows."""
    policy = arrived.policy("dane-bad.tlsa.test")
    assert policy["policy"] == {
        "policy-type": "tlsa",
        "policy-string": [dane_hosts(site)["dane-bad"].upper()],
        "policy-domain": "mx.dane-bad.tlsa.test",
    }
    assert counts(policy) == (0, 1)
    mx = "mx.dane-bad.tlsa.test"
    row = failure("good", "certificate-not-trusted", mx=mx)
    assert policy["failure-details"] == [row]


# What Postfix alone can't tell.  Should one of these fail with a new Postfix:
# that is good news, and section 5 of the manual has to change with it.


@pytest.mark.parametrize("host", [*UNTRUSTED, "stray"])
def test_postfix_alone_testing(arrived, host):
    """Level "may" verifies nothing: a wrong certificate and a wrong MX count
    as success, with the attributes of a policy and without."""
    policy = arrived.policy(f"may-{host}.rpt.test")
    assert policy["policy"]["policy-type"] == "sts"
    assert policy["policy"]["policy-string"] == ["version: STSv1", "mode: testing"]
    assert counts(policy) == (1, 0)
    policy = arrived.policy(f"testing-{host}.rpt.test")
    assert policy["policy"]["policy-type"] == "no-policy-found"
    assert counts(policy) == (1, 0)


def test_postfix_alone_nothing(arrived, senders, sent):
    """No datagram: without STARTTLS in testing, and from an MX host that the
    policy does not allow, whose mail waits."""
    for name in ("may-clear.rpt.test", "testing-clear.rpt.test", "stray.rpt.test"):
        assert name in sent
        assert name not in arrived.posted
        assert f"domain={name}," not in senders.sts.log()
    assert sent["stray.rpt.test"].relay == "none"
    assert "does not match STS MX pattern for 'stray.rpt.test'" in senders.sts.log()


def test_postfix_alone_fetch_error(arrived):
    """A policy that can't be fetched is none to Postfix; that there is one,
    and why it was not got, the daemon's own events tell."""
    policy = arrived.policy("fetch-error.rpt.test")
    assert policy["policy"]["policy-type"] == "no-policy-found"
    assert counts(policy) == (1, 0)


# How reports come.


def test_post(arrived):
    """The request (RFC 8460, 5.4)."""
    for request in arrived.requests:
        assert request.line == "POST /v1/tls?a=b HTTP/1.1"
        assert request.headers["host"] == REPORTS_HOST
        assert request.headers["content-type"] == "application/tlsrpt+gzip"
        assert int(request.headers["content-length"]) == len(request.body)
        # Of the media type, not of the transport.
        assert "content-encoding" not in request.headers
        assert "expect" not in request.headers


def as_inspected(report):
    """A report in the words of strictmx inspect."""

    def rename(value):
        if isinstance(value, dict):
            return {k.replace("-", "_"): rename(v) for k, v in value.items()}
        return [rename(v) for v in value] if isinstance(value, list) else value

    made = rename(report)
    made.update(made.pop("date_range"))
    for policy in made["policies"]:
        policy.update(policy.pop("policy"))
        policy.update(policy.pop("summary"))
    return made


def without_nothing(value):
    """The same without members that say nothing."""
    if isinstance(value, dict):
        return {k: without_nothing(v) for k, v in value.items() if v not in (None, [])}
    return [without_nothing(v) for v in value] if isinstance(value, list) else value


def test_inspect(arrived, tmp_path):
    """strictmx reads the same from what was posted, and finds no fault."""
    for domain, ((request, report),) in arrived.posted.items():
        file = tmp_path / domain
        file.write_bytes(request.body)
        done = subprocess.run(
            [program("strictmx"), "inspect", "--type=report", "--json", file],
            stdout=subprocess.PIPE, env=environment(), check=False, timeout=30,
        )
        assert done.returncode == 0, done.stdout
        seen = json.loads(done.stdout)
        assert seen["findings"] == []
        wanted = as_inspected(report)
        read = without_nothing(seen["report"])
        assert {name: read[name] for name in wanted} == wanted


def parts_of(message):
    """The two parts of a mail."""
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "tlsrpt"
    text, data = message.iter_parts()
    return text, data


def attached(message):
    """The report in a mail."""
    return json.loads(gzip.decompress(parts_of(message)[1].get_content()))


def test_mail(arrived, reporter):
    """All of the message (RFC 8460, 5.3)."""
    day = reporter.clock.day
    for domain, ((data, message),) in arrived.mailed.items():
        report = attached(message)
        check_frame(report, day)
        text, part = parts_of(message)
        assert text.get_content_type() == "text/plain"
        assert domain in text.get_content()
        assert ORGANIZATION in text.get_content()
        assert part.get_content_type() == "application/tlsrpt+gzip"
        assert part.get_content_disposition() == "attachment"
        assert part.get_filename() == (
            f"{SUBMITTER}!{domain}!{day * DAY}!{day * DAY + DAY - 1}.json.gz"
        )
        subject = re.search(rb"(?ms)^(Subject:.*?)\r?\n(?=\S)", data)[1].decode()
        assert " ".join(subject.split()) == (
            f"Subject: Report Domain: {domain} Submitter: {SUBMITTER} "
            f"Report-ID: <{report['report-id']}>"
        )
        assert message["From"] == CONTACT
        assert message["To"] == RUA_MAIL.partition(":")[2]
        assert message["TLS-Report-Submitter"] == SUBMITTER
        assert message["TLS-Required"].lower() == "no"
        assert message["Auto-Submitted"] == "auto-generated"
        assert message["MIME-Version"] == "1.0"
        assert message["Message-ID"] == f"<{report['report-id']}>"
        date = email.utils.parsedate_to_datetime(message["Date"]).timestamp()
        assert 0 <= date - reporter.clock.midnight - GRACE < 120


def test_both_ways(arrived):
    """Posted and mailed it is the same report."""
    ((request, _),) = arrived.posted["good.rpt.test"]
    ((_, message),) = arrived.mailed["good.rpt.test"]
    assert parts_of(message)[1].get_content() == request.body


def test_dkim(arrived, site, reporter, monkeypatch):
    """Each signature holds by itself, with the record from the DNS."""
    # To the verifier a signature must not be from the future.
    monkeypatch.setattr(dkim, "time", types.SimpleNamespace(time=reporter.clock.now))
    for ((data, message),) in arrived.mailed.values():
        signatures = message.get_all("DKIM-Signature")
        assert len(signatures) == len(SELECTORS)
        # As SMTP carried it.
        wire = re.sub(rb"\r?\n", b"\r\n", data)
        selectors = {
            check_signature(dkim.DKIM(wire), site, index, text)
            for index, text in enumerate(signatures)
        }
        assert selectors == set(SELECTORS)


def check_signature(verifier, site, index, text):
    """It verifies, and covers what it should; returns its selector."""
    assert verifier.verify(idx=index, dnsfunc=site.txt)
    assert verifier.domain == SUBMITTER.encode()
    tags = dkim.util.parse_tag_value(text.encode())
    selector = tags[b"s"].decode()
    assert b"l" not in tags
    assert tags[b"a"].decode() == f"{SELECTORS[selector]}-sha256"
    covered = b"".join(tags[b"h"].split()).decode().lower().split(":")
    names = {"from", "to", "subject", "date", "tls-report-domain"}
    assert names | {"tls-report-submitter", "tls-required"} <= set(covered)
    return selector


def test_dkim_needs_the_key(arrived, site, reporter, monkeypatch):
    """The same mail, one letter changed, is refused."""
    monkeypatch.setattr(dkim, "time", types.SimpleNamespace(time=reporter.clock.now))
    ((data, _),) = arrived.mailed["good.rpt.test"]
    wire = re.sub(rb"\r?\n", b"\r\n", data)
    forged = wire.replace(b"TLS-Report-Domain: good", b"TLS-Report-Domain: evil")
    assert forged != wire
    assert not dkim.DKIM(forged).verify(dnsfunc=site.txt)


def test_mail_in_spite_of_tls(arrived, senders, reporter):
    """The mailbox's policy is enforce and its certificate nobody's: the report
    came, unverified, and was no event (RFC 8460, 5.3; RFC 8689, 5)."""
    assert arrived.mailed
    log = senders.sts.log()
    relay = re.escape(f"relay=mx.{MAILBOX_DOMAIN}[{MAILBOX_ADDRESS}]")
    assert re.search(rf"{relay}.*status=sent", log)
    assert f"domain={MAILBOX_DOMAIN}," not in log
    names = {name for (name,) in reporter.rows("SELECT domain FROM domain_day")}
    assert MAILBOX_DOMAIN not in names


def test_next_day(reporter, arrived, endpoint):
    """What came after midnight is the next day's, and that is all of it."""
    clock = reporter.clock
    before = len(endpoint.requests)
    clock.set(clock.midnight + DAY + GRACE + 1)
    wait_until(lambda: len(endpoint.requests) > before, 20, "the next report")
    ((_, report),) = Reports(endpoint.requests[before:], []).posted["good.rpt.test"]
    check_frame(report, clock.day + 1)
    (policy,) = report["policies"]
    assert counts(policy) == (1, 0)
    assert len(endpoint.requests) == before + 1
    assert report["report-id"] != arrived.report("good.rpt.test")["report-id"]
