"""Reports posted over HTTPS: every answer a server can give, and none."""

import dataclasses
import os
import ssl
import time
import typing

import pytest

import dnsfault
import httpsfault as faulty
from authority import self_signed
from handover import Handover, ReportHost, Slowly

TIMEOUT_MS = 4000


@dataclasses.dataclass(frozen=True)
class Row:
    """A server, and what is made of it."""

    name: str
    status: str
    http: int
    # Words of the detail.
    says: str
    serve: typing.Callable | None = None
    # handover, name -> Certificate
    certificate: typing.Callable | None = None
    tls: bool = True
    limits: tuple | None = None
    retry_after: int = 0
    read_body: bool = True


def answer(status, *extra, body="thanks"):
    """An answer with that status."""
    return faulty.send(faulty.response(body, status=status, extra=extra))


def mute_in_body(connection):
    """All headers, and nothing more."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
    faulty.hold(connection)


def accepted(code, serve=None, **kwargs):
    """A row of an accepted report."""
    serve = serve or answer(f"{code} Something")
    return Row(f"status-{code}", "accepted", code, f"HTTP {code}", serve, **kwargs)


def later(name, says, serve=None, http=0, **kwargs):
    """A row of a report that has to be sent again."""
    return Row(name, "later", http, says, serve, **kwargs)


ACCEPTED = [
    accepted(200),
    accepted(201),
    accepted(202),
    accepted(204, faulty.send(b"HTTP/1.1 204 No Content\r\n\r\n")),
    accepted(299),
    Row(
        "interim-answers-first",
        "accepted",
        200,
        "HTTP 200",
        faulty.send(
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n"
            + faulty.response()
        ),
    ),
    Row(
        "endless-body",
        "accepted",
        200,
        "HTTP 200",
        faulty.endless(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 4096),
    ),
    Row(
        "body-cut-off",
        "accepted",
        201,
        "HTTP 201",
        faulty.cut_off(faulty.response(status="201 Created")[:-5]),
    ),
    Row("mute-inside-body", "accepted", 200, "HTTP 200", mute_in_body),
    Row(
        "accepted-with-retry-after",
        "accepted",
        200,
        "HTTP 200",
        answer("200 OK", "Retry-After: 77"),
    ),
    Row(
        "tls-1.2",
        "accepted",
        200,
        "HTTP 200",
        answer("200 OK"),
        limits=(ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2),
    ),
]

LATER = [
    *(
        later(f"status-{code}", f"HTTP {code}", answer(f"{code} Something"), code)
        for code in (300, 304, 400, 401, 403, 404, 408, 413, 429, 500, 502, 503)
    ),
    *(
        later(
            f"redirect-{code}",
            f"HTTP {code}: redirect to https://target.test/x is not followed",
            answer(f"{code} Elsewhere", "Location: https://target.test/x"),
            code,
        )
        for code in (301, 302, 303, 307, 308)
    ),
    later(
        "redirect-with-escapes",
        r"HTTP 301: redirect to /\x1b[31m\xff is not followed",
        faulty.send(
            b"HTTP/1.1 301 Moved\r\nLocation: /\x1b[31m\xff\r\n"
            b"Content-Length: 0\r\n\r\n"
        ),
        301,
    ),
    later(
        "retry-after-seconds",
        "HTTP 429",
        answer("429 Too Many Requests", "Retry-After: 120"),
        429,
        retry_after=120,
    ),
    later(
        "retry-after-past",
        "HTTP 503",
        answer("503 Busy", "Retry-After: Wed, 21 Oct 2015 07:28:00 GMT"),
        503,
    ),
    later(
        "retry-after-nonsense",
        "HTTP 503",
        answer("503 Busy", "Retry-After: -5"),
        503,
    ),
    later(
        "refused-before-the-body-is-read",
        "HTTP 413",
        answer("413 Too Large", "Connection: close"),
        413,
        read_body=False,
    ),
    later("refused", "no connection: Connection refused"),
    later("reset-at-once", "", faulty.reset, tls=False),
    later("reset-after-body", "", faulty.reset),
    later("closed-after-body", "", lambda connection: None),
    later("mute-before-tls", "while agreeing on TLS", faulty.hold, tls=False),
    later("mute-after-body", "while waiting for the answer", faulty.hold),
    later("slow-drip", "while waiting for the answer", faulty.drip),
    later(
        "endless-headers",
        "endless headers",
        faulty.endless(b"HTTP/1.1 200 OK\r\n", b"X-Filler: " + b"y" * 1000 + b"\r\n"),
    ),
    later(
        "endless-interim-answers",
        "endless headers",
        faulty.endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
    ),
    later("not-http", "", faulty.send(b"220 mx ESMTP\r\n" * 9)),
    later("no-status", "", faulty.send(b"HTTP/1.1 \r\n\r\n")),
    later("http-without-tls", "no TLS: ", faulty.send(faulty.response()), tls=False),
    later(
        "tls-1.1",
        "no TLS: ",
        answer("200 OK"),
        limits=(ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_1),
    ),
]

CERTIFICATES = [
    later(
        "expired",
        "certificate not accepted: certificate has expired",
        answer("200 OK"),
        certificate=lambda h, name: h.authority.issue(name, clock="-60d"),
    ),
    later(
        "wrong-name",
        "certificate not accepted: ",
        answer("200 OK"),
        certificate=lambda h, name: h.authority.issue("other.test"),
    ),
    later(
        "cn-only",
        "certificate not accepted: ",
        answer("200 OK"),
        certificate=lambda h, name: h.authority.issue(name, alt=""),
    ),
    later(
        "self-signed",
        "certificate not accepted: self",
        answer("200 OK"),
        certificate=lambda h, name: self_signed(h.namespace.folder, name),
    ),
    later(
        "unknown-authority",
        "certificate not accepted: unable to get local issuer",
        answer("200 OK"),
        certificate=lambda h, name: h.nobodys_authority.issue(name),
    ),
]

ROWS = ACCEPTED + LATER + CERTIFICATES


def host_of(row):
    """The name of a row's server."""
    return f"{row.name.replace('.', '')}.post.test"


def raise_host(handover, name, serve, certificate=None, addresses=(), **kwargs):
    """A server with a name, up."""
    address = addresses[0] if addresses else handover.address()
    handover.name(name, address)
    host = ReportHost(
        handover.namespace,
        address,
        certificate or handover.authority.issue(name),
        serve,
        **kwargs,
    )
    host.start()
    return host


@pytest.fixture(scope="module")
def handover():
    """The namespace."""
    with Handover("p") as made:
        yield made


@pytest.fixture(scope="module")
def hosts(handover):
    """All servers, by the name of their row."""
    made = {}
    for row in ROWS:
        name = host_of(row)
        if row.serve is None:
            handover.name(name, handover.address())
            continue
        made[row.name] = raise_host(
            handover,
            name,
            row.serve,
            row.certificate(handover, name) if row.certificate else None,
            tls=row.tls,
            limits=row.limits,
            read_body=row.read_body,
        )
    yield made
    for host in made.values():
        host.stop()


@pytest.fixture(scope="module")
def answers(handover, hosts):
    """All of them at once: what one does is no matter to the others."""
    # Large enough not to fit into the buffers of a connection that is reset.
    jobs = [handover.post(host_of(row), os.urandom(20000)) for row in ROWS]
    got = handover.run(*jobs, post=handover.post_settings(timeout_ms=TIMEOUT_MS))
    return dict(zip((row.name for row in ROWS), got))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_answer(answers, row):
    """2xx is success, and nothing else."""
    got = answers[row.name]
    assert (got["status"], got["http"]) == (row.status, row.http), got
    assert row.says in got["detail"], got
    assert got["detail"], got
    assert got["retry_after_s"] == row.retry_after, got
    # Nothing takes longer than the time-out.
    assert got["ms"] < 10 * TIMEOUT_MS, got


def test_time_out_is_named(answers):
    """With its length."""
    assert answers["mute-after-body"]["detail"].startswith("time-out after 4 s")


def test_forgiven_certificates(handover, hosts):
    """RFC 8460, section 3: a sender may ignore them, if it is told to."""
    got = handover.run(
        *(handover.post(host_of(row)) for row in CERTIFICATES),
        post=handover.post_settings(bad_certificate=1),
    )
    assert [answer["http"] for answer in got] == [200] * len(CERTIFICATES), got


def test_other_settings(handover, hosts):
    """Set while it runs, they are used from then on."""
    row = CERTIFICATES[0]
    (got,) = handover.run(
        handover.post(host_of(row)),
        post=handover.post_settings(),
        again={"post": handover.post_settings(bad_certificate=1)},
    )
    assert got["http"] == 200
    (got,) = handover.run(
        handover.post(host_of(row)),
        post=handover.post_settings(ca_file="/nonexistent"),
    )
    assert got == {"error": "ca_file /nonexistent: No such file or directory"}


def test_retry_after_date(handover):
    """Also as a date (RFC 9110, 10.2.3)."""
    when = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 900))
    host = raise_host(
        handover, "date.post.test", answer("503 Busy", f"Retry-After: {when}")
    )
    (got,) = handover.run(
        handover.post("date.post.test"), post=handover.post_settings()
    )
    host.stop()
    assert 880 < got["retry_after_s"] <= 901, got


@pytest.mark.parametrize("size", [0, 1, 70000, 3 << 20])
def test_request(handover, size):
    """The body arrives byte by byte, at once, and the URI as it was written."""
    host = raise_host(handover, f"r{size}.post.test", answer("200 OK"))
    body = os.urandom(size)
    path = "/v1/../%2E/a[1-3]{x,y}?q=%20&r=1,2"
    (got,) = handover.run(
        handover.post(f"r{size}.post.test", body, path=path),
        post=handover.post_settings(),
        # Nobody's environment decides where reports go.
        env={"https_proxy": "http://127.0.0.1:1", "ALL_PROXY": "http://127.0.0.1:1"},
    )
    host.stop()
    assert got["status"] == "accepted", got
    (request,) = host.requests
    assert request.line == f"POST {path} HTTP/1.1"
    assert request.headers["host"] == f"r{size}.post.test"
    assert request.headers["content-type"] == "application/tlsrpt+gzip"
    assert request.headers["content-length"] == str(size)
    assert request.headers["user-agent"].startswith("strictmx/")
    assert "expect" not in request.headers
    assert "transfer-encoding" not in request.headers
    assert request.body == body


@pytest.mark.parametrize(
    "change",
    [
        {"path": ""},
        {"path": "relative"},
        {"path": "/a b"},
        {"path": "/a\r\nX-Header: y"},
        {"path": "/a#b"},
        {"path": "/\xe4"},
        {"path": "/" + "a" * 2048},
        {"host": "user@target.test"},
        {"host": "target.test/x"},
        {"host": "127.0.0.1"},
        {"host": ""},
        {"host": "a." * 200 + "test"},
        {"type": "text/plain\r\nX-Header: y"},
        {"port": 0},
    ],
    ids=str,
)
def test_uri_that_can_not_be_used(handover, change):
    """Whatever got here: no request is made of it."""
    job = {**handover.post("target.test"), **change}
    (got,) = handover.run(job, post=handover.post_settings())
    assert (got["status"], got["detail"]) == ("later", "the URI can't be used")


def test_no_address(handover):
    """What the DNS says is told."""
    handover.dns.script("nx.post.test", "A", dnsfault.rcode("NXDOMAIN"))
    handover.dns.script("nx.post.test", "AAAA", dnsfault.rcode("NXDOMAIN"))
    handover.dns.script("bad.post.test", "A", dnsfault.rcode("SERVFAIL"))
    handover.dns.script("bad.post.test", "AAAA", dnsfault.rcode("SERVFAIL"))
    got = handover.run(
        *(handover.post(f"{name}.post.test") for name in ("nx", "nothing", "bad")),
        post=handover.post_settings(),
    )
    assert [answer["detail"] for answer in got] == [
        "no such name",
        "no address",
        "look-up failed",
    ]
    assert {answer["status"] for answer in got} == {"later"}


# Inside the namespace any address can be used, also one that counts as public.
PUBLIC = "9.0.0.81"
PRIVATE = ["127.0.0.1", "10.80.9.9", "192.168.9.9", "169.254.169.254", "::1"]


def test_private_addresses(handover):
    """Nobody's record makes us post into our own network."""
    handover.namespace.add_addresses([PUBLIC, *PRIVATE[1:-1]])
    certificate = handover.authority.issue(
        "mixed.post.test", *(f"private{n}.post.test" for n in range(len(PRIVATE)))
    )
    hosts = [
        ReportHost(handover.namespace, address, certificate, answer("200 OK"))
        for address in (PUBLIC, *PRIVATE[:-1])
    ]
    for host in hosts:
        host.start()
    for number, address in enumerate(PRIVATE):
        handover.name(f"private{number}.post.test", address)
    handover.name("mixed.post.test", "10.80.9.9", PUBLIC)
    names = [f"private{n}.post.test" for n in range(len(PRIVATE))]
    *private, mixed = handover.run(
        *(handover.post(name) for name in (*names, "mixed.post.test")),
        post=handover.post_settings(private=0),
    )
    for host in hosts:
        host.stop()
    for got in private:
        assert (got["status"], got["detail"]) == ("later", "no public address")
    assert mixed["status"] == "accepted", mixed
    assert [host.connections for host in hosts] == [1, 0, 0, 0, 0]


def test_hosts_take_turns(handover):
    """A slow host gets few connections, and delays nobody else."""
    slowness = Slowly(0.3, answer("200 OK"))
    slow = raise_host(handover, "slow.post.test", slowness)
    quick = raise_host(handover, "quick.post.test", answer("200 OK"))
    jobs = [handover.post("slow.post.test") for _ in range(40)]
    jobs.append(handover.post("quick.post.test"))
    got = handover.run(*jobs, post=handover.post_settings())
    slow.stop()
    quick.stop()
    assert {answer["status"] for answer in got} == {"accepted"}
    assert slowness.peak == 4
    # All are waiting when the quick one is asked.
    *slow, quick = (answer["ms"] for answer in got)
    assert quick < sorted(slow)[len(slow) // 2], got


def test_many_hosts(handover):
    """No more than so many connections at a time."""
    names = [f"many{number}.post.test" for number in range(90)]
    slowness = Slowly(0.5, answer("200 OK"))
    host = raise_host(
        handover, names[0], slowness, handover.authority.issue(*names)
    )
    for name in names:
        handover.name(name, host.address)
    got = handover.run(
        *(handover.post(name) for name in names),
        post=handover.post_settings(),
    )
    host.stop()
    assert {answer["status"] for answer in got} == {"accepted"}
    assert 20 < slowness.peak <= 64


def test_end_in_the_middle(handover, hosts):
    """It can be taken down with anything under way."""
    name = host_of(next(row for row in ROWS if row.name == "mute-after-body"))
    jobs = [handover.post(name) for _ in range(20)]
    got = handover.run(*jobs, post=handover.post_settings(), stop_ms=400)
    assert not got
