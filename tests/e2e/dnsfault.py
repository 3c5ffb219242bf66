"""A forwarder that goes wrong on demand.

It stands between strictmxd and the world's resolver: what has a script is
answered by the script, all else is passed on as it is.
"""

import contextlib
import socket
import struct
import threading
import time

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

UPSTREAM_TIMEOUT = 5


class Forwarder:
    """A DNS server on UDP and TCP.

    A script is called with the parsed query and "udp" or "tcp".  It returns a
    message, the bytes to send, or None for silence.  What has no script is
    asked of `upstream`, or answered by the script `default`.
    """

    def __init__(self, namespace, address, upstream, default=None):
        self._namespace = namespace
        self.address = address
        self._upstream = upstream
        self._default = default
        self._scripts = {}
        self._asked = {}
        self._lock = threading.Lock()
        self._sockets = []
        namespace.add_addresses([address])

    def script(self, name, kind, function):
        """Answer queries for a name and type by a function."""
        key = (dns.name.from_text(name), dns.rdatatype.from_text(kind))
        with self._lock:
            self._scripts[key] = function

    def asked(self, name, kind):
        """How often a name and type was asked for."""
        key = (dns.name.from_text(name), dns.rdatatype.from_text(kind))
        with self._lock:
            return self._asked.get(key, 0)

    def start(self):
        """Begin to answer."""
        datagrams = self._namespace.socket(kind=socket.SOCK_DGRAM)
        datagrams.bind((self.address, 53))
        stream = self._namespace.socket()
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stream.bind((self.address, 53))
        stream.listen(64)
        self._sockets = [datagrams, stream]
        for target, sock in ((self._serve_udp, datagrams), (self._serve_tcp, stream)):
            threading.Thread(target=target, args=(sock,), daemon=True).start()

    def stop(self):
        """Die: nobody listens any more."""
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        self._sockets = []

    def _serve_udp(self, sock):
        while True:
            try:
                packet, peer = sock.recvfrom(65535)
            except OSError:
                return
            if not packet:
                return

            def answer(packet=packet, peer=peer):
                reply = self._reply(packet, "udp")
                if reply is not None:
                    with contextlib.suppress(OSError):
                        sock.sendto(reply, peer)

            threading.Thread(target=answer, daemon=True).start()

    def _serve_tcp(self, sock):
        while True:
            try:
                connection, _ = sock.accept()
            except OSError:
                return
            threading.Thread(
                target=self._serve_connection, args=(connection,), daemon=True
            ).start()

    def _serve_connection(self, connection):
        with connection, contextlib.suppress(OSError, struct.error):
            connection.settimeout(20)
            while True:
                (size,) = struct.unpack(">H", _exactly(connection, 2))
                reply = self._reply(_exactly(connection, size), "tcp")
                if reply is None:
                    # Silence: hold the connection until the client gives up.
                    connection.recv(1)
                    return
                connection.sendall(struct.pack(">H", len(reply)) + reply)

    def _reply(self, packet, transport):
        try:
            query = dns.message.from_wire(packet)
        except dns.exception.DNSException:
            return None
        if not query.question:
            return None
        key = (query.question[0].name, query.question[0].rdtype)
        with self._lock:
            self._asked[key] = self._asked.get(key, 0) + 1
            function = self._scripts.get(key, self._default)
        if function is None:
            return self._pass_on(packet, transport)
        made = function(query, transport)
        if made is None or isinstance(made, bytes):
            return made
        return made.to_wire(max_size=65535)

    def _pass_on(self, packet, transport):
        """Ask the world's resolver, byte by byte the same question."""
        kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
        with self._namespace.socket(kind=kind) as sock:
            sock.settimeout(UPSTREAM_TIMEOUT)
            try:
                sock.connect((self._upstream, 53))
                if transport == "udp":
                    sock.send(packet)
                    return sock.recv(65535)
                sock.sendall(struct.pack(">H", len(packet)) + packet)
                (size,) = struct.unpack(">H", _exactly(sock, 2))
                return _exactly(sock, size)
            except (OSError, struct.error):
                return None


def _exactly(sock, size):
    data = b""
    while len(data) < size:
        part = sock.recv(size - len(data))
        if not part:
            raise OSError("closed")
        data += part
    return data


# Scripts.


def _answer(query):
    return dns.message.make_response(query, recursion_available=True)


def records(*texts, kind="TXT", ttl=1, owner=None):
    """The named records, whatever the truth is."""

    def function(query, _transport):
        reply = _answer(query)
        name = dns.name.from_text(owner) if owner else query.question[0].name
        reply.answer.append(dns.rrset.from_text(name, ttl, "IN", kind, *texts))
        return reply

    return function


def alias_of_itself(query, _transport):
    """A CNAME that points to its own owner."""
    reply = _answer(query)
    name = query.question[0].name
    reply.answer.append(dns.rrset.from_text(name, 1, "IN", "CNAME", name.to_text()))
    return reply


def rcode(name):
    """An answer with a response code and nothing else."""

    def function(query, _transport):
        reply = _answer(query)
        reply.set_rcode(dns.rcode.from_text(name))
        return reply

    return function


def silence(_query, _transport):
    """No answer at all."""
    return None


def truncated(over_tcp):
    """An empty answer that says "ask over TCP"; a script answers there."""

    def function(query, transport):
        if transport == "tcp":
            return over_tcp(query, transport)
        reply = _answer(query)
        reply.flags |= dns.flags.TC
        return reply

    return function


def late(seconds, inner):
    """As a forwarder does that has to ask others first.

    The answer is there some seconds after the first query; all queries that
    came meanwhile get it then.
    """
    ready = []
    lock = threading.Lock()

    def function(query, transport):
        with lock:
            if not ready:
                ready.append(time.monotonic() + seconds)
        left = ready[0] - time.monotonic()
        if left > 0:
            time.sleep(left)
        return inner(query, transport)

    return function


def in_turn(*functions):
    """Another script at each query, the last one for ever."""
    lock = threading.Lock()
    left = list(functions)

    def function(query, transport):
        with lock:
            chosen = left.pop(0) if len(left) > 1 else left[0]
        return chosen(query, transport)

    return function


def round_robin(*functions):
    """The scripts one after the other, again and again."""
    lock = threading.Lock()
    count = [0]

    def function(query, transport):
        with lock:
            chosen = functions[count[0] % len(functions)]
            count[0] += 1
        return chosen(query, transport)

    return function


def garbage(query, _transport):
    """The right id, then noise."""
    return struct.pack(">H", query.id) + b"\x81\x80" + b"\xff" * 60


def short_packet(query, _transport):
    """A packet that ends inside the header."""
    return struct.pack(">H", query.id) + b"\x81"


def pointer_loop(query, _transport):
    """An answer whose owner name is a compression pointer to itself."""
    head = struct.pack(">HHHHHH", query.id, 0x8180, 1, 1, 0, 0)
    question = query.question[0].name.to_wire() + struct.pack(">HH", 16, 1)
    at = len(head) + len(question)
    record = struct.pack(">H", 0xC000 | at) + struct.pack(">HHIH", 16, 1, 1, 2)
    return head + question + record + b"\x01a"


def string_beyond_record(query, _transport):
    """A TXT record whose character-string is longer than the record."""
    head = struct.pack(">HHHHHH", query.id, 0x8180, 1, 1, 0, 0)
    question = query.question[0].name.to_wire() + struct.pack(">HH", 16, 1)
    data = b"\xffv=STSv1; id=1;"
    record = b"\xc0\x0c" + struct.pack(">HHIH", 16, 1, 1, len(data))
    return head + question + record + data


def wrong_id(text):
    """A forged answer that has not guessed the query's id."""
    inner = records(text)

    def function(query, transport):
        reply = inner(query, transport)
        reply.id = query.id ^ 0x5555
        return reply

    return function


def wrong_question(text):
    """An answer to another question."""

    def function(query, _transport):
        other = dns.message.make_query("other.example.", query.question[0].rdtype)
        other.id = query.id
        reply = _answer(other)
        reply.answer.append(
            dns.rrset.from_text(other.question[0].name, 1, "IN", "TXT", text)
        )
        return reply

    return function


def without_signatures(forwarder):
    """The true answer of the world's resolver with its signatures cut out."""

    def function(query, transport):
        packet = forwarder._pass_on(query.to_wire(), transport)
        if packet is None:
            return None
        reply = dns.message.from_wire(packet)
        for section in (reply.answer, reply.authority):
            section[:] = [r for r in section if r.rdtype != dns.rdatatype.RRSIG]
        return reply

    return function
