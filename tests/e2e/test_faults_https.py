"""The HTTPS rows of the fault catalogue, asked through a running strictmxd."""

import dataclasses
import ssl
import typing

import pytest

import dnsfault
import httpsfault as faulty
from authority import der_dns_names, self_signed
from faultrange import CACHED_ANSWER, CACHED_POLICY, FaultRange, Row
from netns import wait_until

FORWARDER = "10.53.0.56"
GOOD = '"v=STSv1; id=1;"'
LIMIT = 65536

# What the log says is the name of a row of src/core/diag.def.
CLOSED = "host-closed"
MUTE = "host-timeout"
SLOW = "host-slow"
STATUS = "http-status"
NOT_FOUND = "http-not-found"
REDIRECT = "http-redirect"
TYPE = "http-type"
LARGE = "policy-too-large"
SYNTAX = "http-syntax"
NO_TLS = "tls-failure"
UNTRUSTED = "certificate-untrusted"
NAME = "certificate-name"


@dataclasses.dataclass(frozen=True)
class Fault(Row):
    """A row with the server that shows it."""

    serve: typing.Callable | None = None
    # authority, nobody's authority, folder, host names -> Certificate
    certificate: typing.Callable | None = None
    tls: bool = True
    limits: tuple | None = None


def good_certificate(world, *names):
    """What an honest host has."""
    return world.authority.issue(*names)


def status(code, *extra):
    """An answer with that status and an otherwise good policy."""
    return faulty.send(faulty.response(status=code, extra=extra))


def body(text):
    """Status 200 with that body."""
    return faulty.send(faulty.response(text))


NETWORK_FAULTS = [
    Fault("refused", "host-refused", None),
    Fault("reset", "tls-failure|host-refused", faulty.reset, tls=False),
    Fault("closed-at-once", NO_TLS, lambda connection: None, tls=False),
    Fault("mute-before-tls", MUTE, faulty.hold, tls=False),
    Fault("mute-after-tls", SLOW, faulty.hold),
    Fault("slow-drip", SLOW, faulty.drip),
    Fault("reset-inside-body", CLOSED, faulty.reset_inside_body),
    Fault("http-without-tls", NO_TLS, faulty.send(faulty.response()), tls=False),
    Fault("noise-instead-of-tls", NO_TLS, faulty.send(b"\xff" * 500), tls=False),
    Fault("endless-noise", NO_TLS, faulty.endless(b"", b"\x16" * 4096), tls=False),
]

HTTP_FAULTS = [
    Fault("64k-and-one-length", LARGE, body(faulty.padded_policy(LIMIT + 1))),
    Fault(
        "64k-and-one-chunked",
        LARGE,
        faulty.send(faulty.chunked(faulty.padded_policy(LIMIT + 1))),
    ),
    Fault(
        "64k-and-one-until-close",
        LARGE,
        faulty.send(faulty.until_close(faulty.padded_policy(LIMIT + 1))),
    ),
    Fault(
        "endless-body",
        LARGE,
        faulty.endless(faulty.until_close(b"version: STSv1\r\n"), b"x: y\r\n" * 500),
    ),
    Fault(
        "endless-headers",
        SYNTAX,
        faulty.endless(b"HTTP/1.1 200 OK\r\n", b"X-Filler: " + b"y" * 1000 + b"\r\n"),
    ),
    Fault(
        "endless-header-line",
        SYNTAX,
        faulty.endless(b"HTTP/1.1 200 OK\r\nX-Filler: ", b"y" * 4096),
    ),
    Fault(
        "endless-interim-answers",
        SYNTAX,
        faulty.endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
    ),
    Fault(
        "gzip-body",
        "http-encoding",
        faulty.send(faulty.response(extra=["Content-Encoding: gzip"])),
    ),
    Fault("http-0.9", SYNTAX, faulty.send(CACHED_POLICY.encode())),
    Fault("not-http", SYNTAX, faulty.send(b"220 mx ESMTP\r\n" * 9)),
    Fault("empty-answer", CLOSED, lambda connection: None),
    Fault(
        "body-shorter-than-length", CLOSED, faulty.send(faulty.response()[:-20])
    ),
    Fault(
        "bad-chunk-length",
        CLOSED,
        faulty.send(faulty.chunked(CACHED_POLICY.encode(), b"zz\r\n\r\n")),
    ),
    Fault(
        "cut-off-without-alert",
        CLOSED,
        faulty.cut_off(faulty.until_close(CACHED_POLICY.encode())),
    ),
    *(
        Fault(
            f"redirect-{code}",
            REDIRECT,
            status(
                f"{code} Elsewhere",
                "Location: https://mta-sts.target.faults.test/.well-known/mta-sts.txt",
            ),
        )
        for code in (301, 302, 303, 307, 308)
    ),
    *(
        Fault(f"status-{code}", NOT_FOUND if code == 404 else STATUS, status(f"{code} Something"))
        for code in (201, 202, 203, 206, 300, 400, 401, 403, 404, 410, 418, 429)
        + (500, 502, 503, 599)
    ),
    *(
        Fault(
            f"status-{code}-alone",
            f"{STATUS}|{CLOSED}",
            faulty.send(f"HTTP/1.1 {code} Something\r\n\r\n".encode()),
        )
        for code in (101, 103, 199, 204, 205, 304)
    ),
    Fault("type-html", TYPE, faulty.send(faulty.response(kind="text/html"))),
    Fault("type-missing", TYPE, faulty.send(faulty.response(kind=None))),
    Fault("type-empty", TYPE, faulty.send(faulty.response(kind=""))),
    Fault("type-plainer", TYPE, faulty.send(faulty.response(kind="text/plainer"))),
    Fault(
        "type-octets",
        TYPE,
        faulty.send(faulty.response(kind="application/octet-stream")),
    ),
]

BODY_FAULTS = [
    Fault("empty-policy", "policy-empty", body("")),
    Fault(
        "mode-unknown",
        "policy-mode",
        body(CACHED_POLICY.replace("enforce", "Enforce")),
    ),
    Fault(
        "mx-missing",
        "policy-mx-missing",
        body(CACHED_POLICY.replace("mx: mx.hoster.test\r\n", "")),
    ),
    Fault(
        "nul-in-policy",
        "policy-control",
        body(CACHED_POLICY.replace("STSv1", "STS\0v1")),
    ),
    Fault("byte-order-mark", "policy-bom", body("\ufeff" + CACHED_POLICY)),
    Fault(
        "html-as-plain",
        "policy-no-colon",
        body("<!DOCTYPE html>\n<html><body>It works!</body></html>\n"),
    ),
]

CERTIFICATE_FAULTS = [
    Fault(
        "tls-1.1",
        "tls-version",
        body(CACHED_POLICY),
        limits=(ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_1),
    ),
    Fault(
        "expired",
        "certificate-expired",
        body(CACHED_POLICY),
        lambda world, *names: world.authority.issue(*names, clock="-60d"),
    ),
    Fault(
        "not-yet-valid",
        "certificate-not-yet-valid",
        body(CACHED_POLICY),
        lambda world, *names: world.authority.issue(*names, clock="+60d"),
    ),
    Fault(
        "wrong-name",
        NAME,
        body(CACHED_POLICY),
        lambda world, *names: world.authority.issue("www.faults.test"),
    ),
    Fault(
        "name-of-the-domain-only",
        NAME,
        body(CACHED_POLICY),
        lambda world, *names: world.authority.issue(
            *(name.partition(".")[2] for name in names)
        ),
    ),
    Fault(
        "cn-only",
        NAME,
        body(CACHED_POLICY),
        lambda world, *names: world.authority.issue(names[0], alt=""),
    ),
    Fault(
        "partial-wildcard",
        NAME,
        body(CACHED_POLICY),
        lambda world, *names: world.authority.issue(
            *(name.replace("mta-sts.", "mta-*.", 1) for name in names), subject="x"
        ),
    ),
    Fault(
        "wildcard-two-labels",
        NAME,
        body(CACHED_POLICY),
        lambda world, *names: world.authority.issue("*.faults.test"),
    ),
    Fault(
        "name-with-nul",
        NAME,
        body(CACHED_POLICY),
        lambda world, *names: world.authority.issue(
            *names,
            subject="x",
            alt=der_dns_names(*(f"{name}\0.evil.test".encode() for name in names)),
        ),
    ),
    Fault(
        "self-signed",
        "certificate-self-signed",
        body(CACHED_POLICY),
        lambda world, *names: self_signed(world.namespace.folder, names[0]),
    ),
    Fault(
        "unknown-authority",
        "certificate-issuer-unknown",
        body(CACHED_POLICY),
        lambda world, *names: world.nobodys_authority.issue(*names),
    ),
    Fault(
        "client-certificate",
        UNTRUSTED,
        body(CACHED_POLICY),
        lambda world, *names: world.authority.issue(*names, usage="clientAuth"),
    ),
]

FAULTS = NETWORK_FAULTS + HTTP_FAULTS + BODY_FAULTS + CERTIFICATE_FAULTS

WORKING = [
    Fault("64k-exactly-length", None, body(faulty.padded_policy(LIMIT))),
    Fault(
        "64k-exactly-chunked",
        None,
        faulty.send(faulty.chunked(faulty.padded_policy(LIMIT))),
    ),
    Fault(
        "until-close", None, faulty.send(faulty.until_close(CACHED_POLICY.encode()))
    ),
    Fault(
        "interim-answer-first",
        None,
        faulty.send(b"HTTP/1.1 100 Continue\r\n\r\n" + faulty.response()),
    ),
    Fault(
        "type-with-parameters",
        None,
        faulty.send(faulty.response(kind="Text/Plain; charset=UTF-8; format=flowed")),
    ),
    Fault("lf-only", None, body(CACHED_POLICY.replace("\r\n", "\n"))),
    Fault(
        "whole-wildcard",
        None,
        body(CACHED_POLICY),
        lambda world, *names: world.authority.issue(
            *(name.replace("mta-sts.", "*.", 1) for name in names), subject="x"
        ),
    ),
    Fault(
        "tls-1.2",
        None,
        body(CACHED_POLICY),
        limits=(ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2),
    ),
]


def _start_hosts(world, rows):
    """One server and address for each row; returns them by name."""
    addresses = [f"10.80.1.{number}" for number in range(1, len(rows) + 1)]
    world.namespace.add_addresses(addresses)
    hosts = {}
    for row, address in zip(rows, addresses):
        names = [f"mta-sts.{domain}" for domain in (row.cold, row.warm)]
        for domain, name in zip((row.cold, row.warm), names):
            world.dns.set(f"_mta-sts.{domain}", "TXT", GOOD)
            world.dns.set(name, "A", address)
        if row.serve is None:
            continue
        make = row.certificate or good_certificate
        hosts[row.name] = faulty.FaultyHost(
            world.namespace,
            address,
            make(world, *names) if row.tls else None,
            row.serve,
            tls=row.tls,
            limits=row.limits,
        )
        hosts[row.name].start()
    return hosts


@pytest.fixture(scope="module")
def faults(world):
    """The cold and the warm daemon, with every host up."""
    forwarder = dnsfault.Forwarder(world.namespace, FORWARDER, world.resolver)
    forwarder.start()
    hosts = _start_hosts(world, FAULTS + WORKING)
    world.policy("target.faults.test", CACHED_POLICY)
    world.dns.publish("faults.test")
    made = FaultRange(world, "https", 8490, forwarder, [row.warm for row in FAULTS])
    made.hosts = hosts
    made.forwarder = forwarder
    made.start()
    yield made
    made.stop()
    for host in hosts.values():
        host.stop()
    forwarder.stop()


@pytest.mark.parametrize("row", FAULTS, ids=lambda row: row.name)
def test_nothing_cached(faults, row):
    """Without a policy in the cache the mail goes out as it would anyway."""
    faults.check_cold(row.cold, row.reason)


@pytest.mark.parametrize("row", FAULTS, ids=lambda row: row.name)
def test_cached_policy_stays(faults, row):
    """A cached policy outlives every failure of the policy host."""
    faults.check_warm(row.warm, row.reason)


@pytest.mark.parametrize("row", WORKING, ids=lambda row: row.name)
def test_works(faults, row):
    """Unusual, but right."""
    faults.check_works(row.cold)


def test_redirects_were_not_followed(faults, world):
    """The host all redirects point to was never asked."""
    for row in FAULTS:
        if row.name.startswith("redirect-"):
            faults.check_cold(row.cold, None)
    assert world.policy_hosts.requests("target.faults.test") == 0
    # It would have answered.
    faults.check_works("target.faults.test")


@pytest.mark.parametrize("name", ["mute-after-tls", "type-html"])
def test_failed_fetch_is_not_repeated(faults, name):
    """For the same id a failed host is left alone for a while."""
    row = next(row for row in FAULTS if row.name == name)
    faults.check_cold(row.cold, row.reason)
    before = faults.hosts[name].connections
    for _ in range(5):
        faults.check_cold(row.cold, None)
    assert faults.hosts[name].connections == before


PRIVATE = {
    "loopback": "127.0.0.1",
    "loopback-v6": "::1",
    "private-10": "10.80.0.1",
    "private-172": "172.16.9.9",
    "private-192": "192.168.9.9",
    "link-local": "169.254.9.9",
    "metadata": "169.254.169.254",
    "shared": "100.64.9.9",
    "this-network": "0.0.0.0",
    "multicast": "224.0.0.251",
    "unique-local-v6": "fd00:80::1",
    "mapped-v6": "::ffff:10.80.0.1",
    "link-local-v6": "fe80::9",
}
# Inside the namespace any address can be used, also one that counts as public.
PUBLIC = "9.0.0.80"


@pytest.fixture(scope="module")
def careful(world):
    """A daemon that only connects to public addresses, and a host that counts."""
    local = [
        address
        for address in PRIVATE.values()
        if address not in ("10.80.0.1", "fd00:80::1", "127.0.0.1", "::1")
        and not address.startswith(("0.", "224.", "::ffff:", "fe80"))
    ]
    world.namespace.add_addresses([PUBLIC, *local])
    forwarder = dnsfault.Forwarder(world.namespace, "10.53.0.57", world.resolver)
    forwarder.start()
    names = [f"private-{name}.faults.test" for name in PRIVATE]
    names += ["public.faults.test", "rebinding.faults.test", "mixed.faults.test"]
    certificate = world.authority.issue(*(f"mta-sts.{name}" for name in names))
    hosts = {}
    for address in (PUBLIC, "127.0.0.1", "10.80.0.2", *local):
        if address == "10.80.0.2":
            world.namespace.add_addresses([address])
        hosts[address] = faulty.FaultyHost(
            world.namespace, address, certificate, body(CACHED_POLICY)
        )
        hosts[address].start()
    for name in names:
        world.dns.set(f"_mta-sts.{name}", "TXT", GOOD)
    for name, address in PRIVATE.items():
        kind = "AAAA" if ":" in address else "A"
        world.dns.set(f"mta-sts.private-{name}.faults.test", kind, address)
    world.dns.set("mta-sts.public.faults.test", "A", PUBLIC)
    world.dns.set("mta-sts.mixed.faults.test", "A", "10.80.0.2", PUBLIC)
    world.dns.publish("faults.test")
    daemon = world.daemon(
        "https-careful",
        port=8494,
        forwarders=[forwarder.address],
        allow_private_addresses=None,
    )
    daemon.start()
    daemon.hosts = hosts
    daemon.forwarder = forwarder
    yield daemon
    daemon.check_healthy()
    assert daemon.stop() == 0
    for host in hosts.values():
        host.stop()
    forwarder.stop()


@pytest.mark.parametrize("name", PRIVATE)
def test_private_address_is_refused(careful, world, name):
    """Nobody's DNS makes us connect to our own network."""
    domain = f"private-{name}.faults.test"
    assert careful.query(domain).text == "NOTFOUND "
    careful.wait_log(rf"{domain}.*\[host-private\]")
    host = careful.hosts.get(PRIVATE[name])
    assert host is None or host.connections == 0


def test_public_address_is_used(careful):
    """With the same settings a public address is connected to."""
    assert careful.query("public.faults.test").text == CACHED_ANSWER
    assert careful.hosts[PUBLIC].connections == 1


def test_mixed_addresses_use_the_public_one(careful):
    """A private address beside a public one is passed over."""
    assert careful.query("mixed.faults.test").text == CACHED_ANSWER
    assert careful.hosts["10.80.0.2"].connections == 0


def test_address_that_changes_between_look_ups(careful):
    """The address that was checked is the one that is connected to."""
    name = "mta-sts.rebinding.faults.test"
    careful.forwarder.script(
        name,
        "A",
        dnsfault.round_robin(
            dnsfault.records(PUBLIC, kind="A", ttl=0),
            dnsfault.records("127.0.0.1", kind="A", ttl=0),
        ),
    )
    answer = careful.query("rebinding.faults.test")
    assert careful.hosts["127.0.0.1"].connections == 0
    assert answer.text in (CACHED_ANSWER, "NOTFOUND ")
    wait_until(lambda: careful.forwarder.asked(name, "A"), 5, "the look-up")
