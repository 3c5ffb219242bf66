"""Hostile and clumsy clients of the socketmap listener."""

import contextlib
import resource
import socket
import struct
import time

import pytest

import dnsfault
from daemon import netstring, read_netstring
from netns import wait_until
from policyhost import policy_text

CACHED = "OK secure match=mx.bank.test servername=hostname"
NONE = "NOTFOUND "
FORWARDER = "10.53.0.60"
REQUEST_MAX = 10000

BAD_FRAMES = {
    "letters": b"hello\n",
    "colon-only": b":",
    "no-colon": b"23strictmx bank.test,",
    "minus": b"-1:,",
    "plus": b"+3:a b,",
    "blank-before": b" 3:a b,",
    "hexadecimal": b"0x3:a b,",
    "leading-zero": b"03:a b,",
    "two-zeros": b"00:,",
    "wrong-terminator": b"3:a b;",
    "too-long-content": b"3:a bank.test,",
    "length-over-limit": b"10001:",
    "length-2-to-32": b"4294967299:a b,",
    "length-2-to-64": b"18446744073709551619:a b,",
    "endless-digits": b"1" * 100000,
    "endless-zeros": b"0" * 100000,
    "nul-bytes": b"\0" * 1000,
    "http": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "tls-hello": bytes.fromhex("160301020001000b7f030300") + b"\x11" * 500,
    "smtp": b"EHLO client.example\r\n",
    "noise": bytes(range(255, 0, -1)) * 40,
}

# Netstrings that are no request: no map name, or no key.
BAD_REQUESTS = {
    "empty": b"",
    "no-blank": b"strictmx",
    "no-map-name": b" bank.test",
}

# Well-formed requests with odd keys, and what they deserve.
KEYS = {
    "plain": (b"bank.test", CACHED),
    "upper-case": (b"BANK.Test", CACHED),
    "bracketed": (b"[bank.test]", CACHED),
    "bracketed-port": (b"[bank.test]:587", CACHED),
    "port": (b"bank.test:25", CACHED),
    "parent": (b".test", NONE),
    "parent-of-domain": (b".bank.test", NONE),
    "empty": (b"", NONE),
    "dot": (b".", NONE),
    "two-dots": (b"bank..test", NONE),
    "blank-inside": (b"bank .test", NONE),
    "address": (b"[192.0.2.1]", NONE),
    "address-port": (b"[192.0.2.1]:25", NONE),
    "bare-address": (b"192.0.2.1", NONE),
    "ipv6": (b"[IPv6:2001:db8::1]", NONE),
    "ipv6-without-tag": (b"[2001:db8::1]:25", NONE),
    "open-bracket": (b"[bank.test", NONE),
    "underscore": (b"_mta-sts.bank.test", NONE),
    "long-label": (b"a" * 64 + b".test", NONE),
    "long-name": (b".".join([b"a" * 60] * 5) + b".test", NONE),
    "control-characters": (b"bank.test\r\n\x1b[31m", NONE),
    "nul": (b"bank.test\0.evil.test", NONE),
    "not-utf8": (b"b\xe4nk.test", NONE),
    "half-utf8": (b"b\xc3", NONE),
    "format-string": (b"%s%s%n.test", NONE),
    "u-label": ("bänk.test".encode(), "OK secure match=mx.xn--bnk-qla.test "),
}


@pytest.fixture(scope="module")
def strictmxd(world):
    """The world's daemon, with bank.test in its cache."""
    domain = "xn--bnk-qla.test"
    world.policy(domain, policy_text("enforce", f"mx.{domain}"))
    world.dns.publish("test")
    assert world.strictmxd.ask("bank.test") == CACHED
    return world.strictmxd


def ask_over(sock, key, map_name=b"strictmx-plain"):
    """One request and its reply over an open connection."""
    sock.sendall(netstring(map_name + b" " + key))
    return read_netstring(sock).decode()


def resident_kib(pid):
    """Resident memory of a process."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        line = next(line for line in status if line.startswith("VmRSS"))
    return int(line.split()[1])


def reset(sock):
    """Close with RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


@pytest.mark.parametrize("name", BAD_FRAMES)
def test_bad_netstring(strictmxd, name):
    """What is no request ends its own connection and nothing else."""
    with strictmxd.connect() as bystander, strictmxd.connect() as sock:
        assert ask_over(bystander, b"bank.test") == CACHED
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            sock.sendall(BAD_FRAMES[name])
        try:
            received = sock.recv(4096)
        except ConnectionResetError:
            received = b""
        assert received == b""
        assert ask_over(bystander, b"bank.test") == CACHED


@pytest.mark.parametrize("name", BAD_REQUESTS)
def test_bad_request(strictmxd, name):
    """A well-formed netstring that asks nothing is told so."""
    with strictmxd.connect() as sock:
        sock.sendall(netstring(BAD_REQUESTS[name]))
        assert read_netstring(sock).startswith(b"PERM ")
    assert strictmxd.ask("bank.test") == CACHED


@pytest.mark.parametrize("name", KEYS)
def test_key(strictmxd, name):
    """Odd keys get an answer, over a connection that stays open."""
    key, expected = KEYS[name]
    with strictmxd.connect() as sock:
        assert ask_over(sock, key).startswith(expected)
        assert ask_over(sock, b"bank.test") == CACHED


@pytest.mark.parametrize("filler", [b"a", b".", b"[", b"\xff", b"%", b" "])
def test_longest_request(strictmxd, filler):
    """10,000 octets, the most Postfix sends, are a request like another."""
    head = b"strictmx-plain "
    with strictmxd.connect() as sock:
        sock.sendall(netstring(head + filler * (REQUEST_MAX - len(head))))
        assert read_netstring(sock) == NONE.encode()
        assert ask_over(sock, b"bank.test") == CACHED


def test_request_in_pieces(strictmxd):
    """A request may arrive octet by octet."""
    with strictmxd.connect() as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in netstring(b"strictmx-plain bank.test"):
            sock.sendall(bytes([byte]))
            # Others are served between any two of them.
            assert strictmxd.ask("bank.test") == CACHED
        assert read_netstring(sock).decode() == CACHED


def test_pipelining(strictmxd):
    """A thousand requests at once are answered in their order."""
    keys = [b"bank.test", b"nobody.test"] * 500
    expected = [CACHED, NONE] * 500
    assert strictmxd.ask("nobody.test") == NONE
    with strictmxd.connect() as sock:
        sock.sendall(b"".join(netstring(b"strictmx-plain " + key) for key in keys))
        assert [read_netstring(sock).decode() for _ in keys] == expected


def test_good_requests_before_a_bad_one(strictmxd):
    """What was asked properly is answered before the connection ends."""
    with strictmxd.connect() as sock:
        sock.sendall(netstring(b"strictmx-plain bank.test") * 3 + b"nonsense")
        for _ in range(3):
            assert read_netstring(sock).decode() == CACHED
        assert sock.recv(100) == b""


def test_half_closed(strictmxd):
    """A client that has said all it wanted to still gets its answers."""
    with strictmxd.connect() as sock:
        sock.sendall(netstring(b"strictmx-plain bank.test") * 2)
        sock.shutdown(socket.SHUT_WR)
        assert read_netstring(sock).decode() == CACHED
        assert read_netstring(sock).decode() == CACHED
        assert sock.recv(100) == b""


def test_half_closed_inside_a_request(strictmxd):
    """Half a request and no more: closed, nobody harmed."""
    with strictmxd.connect() as sock:
        sock.sendall(b"24:strictmx-plain ba")
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(100) == b""


def test_slow_reader(strictmxd):
    """Who does not read is not read from; memory stays bounded."""
    request = netstring(b"strictmx-plain bank.test")
    reply = netstring(CACHED.encode())
    before = resident_kib(strictmxd.child.pid)
    with strictmxd.connect() as sock:
        sent = send_until_stalled(sock, request * 1000)
        for _ in range(50):
            assert strictmxd.ask("bank.test") == CACHED
        assert resident_kib(strictmxd.child.pid) - before < 64 * 1024
        whole, rest = divmod(sent, len(request))
        left = whole * len(reply)
        while left:
            data = sock.recv(min(left, 1 << 20))
            assert data
            left -= len(data)
        if rest:
            sock.sendall(request[rest:])
            assert read_netstring(sock).decode() == CACHED
        assert ask_over(sock, b"bank.test") == CACHED


def send_until_stalled(sock, data, limit=64 << 20):
    """Send the same again and again until nobody takes it any more."""
    sent = 0
    sock.settimeout(1)
    try:
        while sent < limit:
            sent += sock.send(data[sent % len(data) :])
    except socket.timeout:
        sock.settimeout(15)
        return sent
    raise AssertionError(f"{sent} octets were taken, and no reply was read")


def test_reset_storm(strictmxd):
    """Clients that ask and are gone."""
    for _ in range(500):
        sock = strictmxd.connect()
        sock.sendall(netstring(b"strictmx-plain bank.test") * 20)
        reset(sock)
    assert strictmxd.ask("bank.test") == CACHED


def test_unix_socket(strictmxd, world):
    """The same answers over the unix socket."""
    answer = strictmxd.query("bank.test", server=f"unix:{world.unix_socket}")
    assert answer.text == CACHED
    assert answer.exit == 0


def test_json(strictmxd):
    """`strictmx query --json` splits the answer for scripts."""
    answer = strictmxd.query_json("bank.test", "strictmx")
    assert answer["domain"] == "bank.test"
    assert answer["status"] == "OK"
    assert answer["reply"].startswith(CACHED)
    assert strictmxd.query_json("nobody.test")["status"] == "NOTFOUND"


@pytest.fixture(scope="module")
def slow_dns(world):
    """A daemon whose DNS takes a second for slow*.faults.test."""
    forwarder = dnsfault.Forwarder(world.namespace, FORWARDER, world.resolver)

    for number in range(300):
        name = f"_mta-sts.slow{number}.faults.test"
        forwarder.script(name, "TXT", dnsfault.late(1, dnsfault.rcode("NXDOMAIN")))
    forwarder.start()
    daemon = world.daemon("socketmap-slow", port=8500, forwarders=[FORWARDER])
    daemon.start()
    assert daemon.ask("bank.test") == CACHED
    yield daemon
    daemon.check_healthy()
    assert daemon.stop() == 0
    forwarder.stop()


def test_order_is_kept_over_a_slow_answer(slow_dns):
    """A quick answer does not overtake a slow one of the same connection."""
    names = [b"bank.test", b"slow0.faults.test", b"bank.test"]
    with slow_dns.connect() as sock:
        sock.sendall(b"".join(netstring(b"strictmx-plain " + n) for n in names))
        replies = [read_netstring(sock).decode() for _ in names]
    assert replies == [CACHED, NONE, CACHED]


def test_slow_answer_holds_nobody_up(slow_dns):
    """While one waits for the DNS all others are served."""
    with slow_dns.connect() as waiting:
        waiting.sendall(netstring(b"strictmx-plain slow1.faults.test"))
        for _ in range(50):
            assert slow_dns.ask("bank.test") == CACHED
        assert read_netstring(waiting).decode() == NONE


def test_half_closed_while_waiting(slow_dns):
    """The answer also comes when the client can't ask any more."""
    with slow_dns.connect() as sock:
        sock.sendall(netstring(b"strictmx-plain slow2.faults.test"))
        sock.shutdown(socket.SHUT_WR)
        assert read_netstring(sock).decode() == NONE


def test_clients_that_give_up_waiting(slow_dns):
    """Gone before the answer: nothing is sent to nobody."""
    for number in range(100, 300):
        sock = slow_dns.connect()
        sock.sendall(netstring(b"strictmx-plain slow%d.faults.test" % number))
        if number % 2:
            sock.close()
        else:
            reset(sock)
    assert slow_dns.ask("bank.test") == CACHED
    # Until the last of these look-ups has come back.
    assert slow_dns.ask("slow3.faults.test") == NONE
    slow_dns.check_healthy()


@pytest.fixture
def many_files():
    """As many descriptors as this process may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_thousands_of_idle_connections(world, many_files):
    """10,000 that say nothing leave room for one that does."""
    count = min(10000, many_files - 1000)
    daemon = world.daemon("socketmap-idle", port=8501)
    # The usual limit of a shell: the daemon has to raise it itself.
    daemon.prefix = ["prlimit", f"--nofile=1024:{many_files}"]
    daemon.start()
    idle = []
    try:
        assert daemon.ask("bank.test") == CACHED
        before = resident_kib(daemon.child.pid)
        with world.namespace.entered():
            for _ in range(count):
                idle.append(socket.create_connection(("127.0.0.1", 8501), 10))
        for _ in range(50):
            assert daemon.ask("bank.test") == CACHED
        # The oldest and the youngest of them are alive as well.
        for sock in (idle[0], idle[-1]):
            assert ask_over(sock, b"bank.test") == CACHED
        assert resident_kib(daemon.child.pid) - before < 64 * 1024
    finally:
        for sock in idle:
            sock.close()
        daemon.check_healthy()
        assert daemon.stop() == 0


def cpu_seconds(pid):
    """Processor time a process has used."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def test_descriptors_exhausted(world):
    """At the limit: who is connected is served, and nobody burns a core."""
    daemon = world.daemon("socketmap-few", port=8502)
    daemon.prefix = ["prlimit", "--nofile=64:64"]
    daemon.start()
    crowd = []
    try:
        with daemon.connect() as first:
            assert ask_over(first, b"bank.test") == CACHED
            for _ in range(200):
                crowd.append(daemon.connect())
            for _ in range(50):
                assert ask_over(first, b"bank.test") == CACHED
            began, used = time.monotonic(), cpu_seconds(daemon.child.pid)
            wait_until(lambda: time.monotonic() - began > 1, 5, "a second")
            # A loop around accept() would use the whole of it.
            assert cpu_seconds(daemon.child.pid) - used < 0.5
            assert ask_over(first, b"bank.test") == CACHED
        for sock in crowd:
            sock.close()
        crowd.clear()
        assert daemon.ask("bank.test") == CACHED
        assert daemon.ask("wild.test").startswith("OK ")
        daemon.check_healthy()
    finally:
        for sock in crowd:
            sock.close()
        assert daemon.stop() == 0
