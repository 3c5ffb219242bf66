#!/usr/bin/python3
"""Servers that go wrong, for the world of `strictmx check`: one process.

It runs inside the namespace and reads a JSON file: a list of objects with
address, port, script, and what the script needs besides.  Whole servers are
nginx's and Postfix's matter; only `whole` is here too, where an SMTP server
has to be sound but for its certificate.
"""

import contextlib
import json
import pathlib
import selectors
import socket
import ssl
import struct
import sys
import threading
import time

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rdataclass
import dns.rdatatype
import dns.rrset

PATIENCE = 60
SERVFAIL = 2
SIGNATURES = (dns.rdatatype.RRSIG, dns.rdatatype.NSEC, dns.rdatatype.NSEC3)

HTTP_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"


class Listener:
    """One entry of the file."""

    def __init__(self, entry):
        self.address = entry["address"]
        self.port = entry["port"]
        self.script = SCRIPTS[entry["script"]]
        # What the server calls itself, and how it greets.
        self.name = entry.get("name", "mail.invalid")
        self.banner = entry.get("banner", f"{self.name} ESMTP").encode("latin-1")
        self.certificate = entry.get("certificate")
        # Shown to who names a host, where that differs.
        self.named_certificate = entry.get("named_certificate")
        # What a DNS server knows: owner, type, data.
        self.records = entry.get("records", [])
        # Whom it asks.
        self.upstream = entry.get("upstream")
        self._context = None
        # Sessions at the same time, now and at the most.
        self._running = self._peak = 0
        self._counting = threading.Lock()

    def __str__(self):
        return f"{self.address}:{self.port}"

    def enter(self):
        """A session begins; the log has the most there were."""
        with self._counting:
            self._running += 1
            if self._running > self._peak:
                self._peak = self._running
                print(f"peak {self} {self._peak}", flush=True)

    def leave(self):
        """A session is over."""
        with self._counting:
            self._running -= 1

    def context(self):
        """The TLS context, made when it is needed first."""
        if self._context is None:
            self._context = self._make_context()
        return self._context

    def _make_context(self):
        context = tls_context(self.certificate)
        if self.named_certificate == "alert":
            context.sni_callback = refuse_name
        elif self.named_certificate == "alert-always":
            context.sni_callback = refuse
        elif self.named_certificate:
            other = tls_context(self.named_certificate)

            def change(session, name, _context):
                if name is not None:
                    session.context = other

            context.sni_callback = change
        return context


def tls_context(certificate):
    """A server's context for [file, key file]."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


def refuse_name(_session, name, _context):
    """As servers do that have no certificate for the name asked for."""
    return None if name is None else ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME


def refuse(_session, _name, _context):
    """As servers do that have no certificate at all."""
    return ssl.ALERT_DESCRIPTION_HANDSHAKE_FAILURE


def old_tls(context):
    """Nothing above TLS 1.1; OpenSSL has to be talked into it."""
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


def reset(connection):
    """Close with RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def hold(connection):
    """Say nothing until the client gives up."""
    while connection.recv(4096):
        pass


# HTTPS.


def https(serve):
    """A script that gets the session once the request is read."""

    def script(connection, listener):
        with listener.context().wrap_socket(connection, server_side=True) as session:
            data = b""
            while b"\r\n\r\n" not in data:
                part = session.recv(4096)
                if not part or len(data) > 65536:
                    return
                data += part
            serve(session)
            with contextlib.suppress(OSError):
                session.unwrap()

    return script


def https_drip(session):
    """A sound answer that takes for ever: a byte in half a second."""
    session.sendall(HTTP_HEAD + b"Content-Length: 100\r\n\r\n")
    for byte in b"version: STSv1\r\n" * 7:
        session.sendall(bytes([byte]))
        time.sleep(0.5)


def https_endless(session):
    """Headers without end."""
    session.sendall(HTTP_HEAD)
    while True:
        session.sendall(b"X-Padding: " + b"x" * 1000 + b"\r\n")


def https_no_http(session):
    """Something else speaks TLS here."""
    session.sendall(b"* OK IMAP4rev1 ready\r\n")


def https_reset(session):
    """The request is read, and the answer is RST."""
    reset(session)


def https_mute(session):
    """The request is read, and that is all."""
    hold(session)


def mute(connection, _listener):
    """A connection, and nothing more."""
    hold(connection)


def plain_http(connection, _listener):
    """HTTP where TLS is expected."""
    connection.recv(4096)
    connection.sendall(
        b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\n"
        b"Content-Length: 4\r\nConnection: close\r\n\r\nNo.\n"
    )


def reset_at_once(connection, _listener):
    """Hang up on whoever calls, once he has said something."""
    connection.recv(1)
    reset(connection)


# SMTP.


class SmtpSession:
    """One session; a script is a method of what a server does wrong."""

    def __init__(self, connection, listener):
        self.connection = connection
        self.listener = listener
        self._data = b""

    def say(self, *lines):
        """Send whole lines."""
        self.connection.sendall(b"".join(line + b"\r\n" for line in lines))

    def command(self):
        """The next command's verb, in capitals; empty at the end."""
        while b"\n" not in self._data:
            part = self.connection.recv(4096)
            if not part or len(self._data) > 65536:
                return b""
            self._data += part
        line, _, self._data = self._data.partition(b"\n")
        return line.strip().partition(b" ")[0].upper() or b"?"

    def greet(self):
        """220 and the banner."""
        self.say(b"220 " + self.listener.banner)

    def capabilities(self, starttls=True):
        """The reply to EHLO."""
        name = self.listener.name.encode("latin-1")
        lines = [name, b"PIPELINING", b"SIZE 10240000", b"8BITMIME"]
        if starttls:
            lines.insert(2, b"STARTTLS")
        for line in lines[:-1]:
            self.say(b"250-" + line)
        self.say(b"250 " + lines[-1])

    def converse(self, *, starttls=None):
        """Answer commands; starttls(self) is called for that one."""
        while verb := self.command():
            if verb == b"EHLO":
                self.capabilities(starttls is not None)
            elif verb == b"STARTTLS" and starttls is not None:
                starttls(self)
                return
            elif verb == b"QUIT":
                self.say(b"221 2.0.0 Bye")
                return
            else:
                self.say(b"502 5.5.2 Not here")

    def secure(self, context):
        """The TLS handshake, and the session behind it."""
        session = context.wrap_socket(self.connection, server_side=True)
        with session:
            self.connection = session
            self._data = b""
            self.converse()


def smtp(starttls, *, offered=True):
    """A server that greets and answers; STARTTLS is what differs."""

    def script(connection, listener):
        session = SmtpSession(connection, listener)
        session.greet()
        session.converse(starttls=starttls if offered else None)

    return script


def starttls_whole(session):
    """As it should be."""
    session.say(b"220 2.0.0 Ready to start TLS")
    session.secure(session.listener.context())


def starttls_old(session):
    """No version above 1.1."""
    session.say(b"220 2.0.0 Ready to start TLS")
    session.secure(old_tls(session.listener.context()))


def starttls_refused(session):
    """Offered, and then not."""
    session.say(b"454 4.7.0 TLS not available due to local problem")
    session.converse(starttls=starttls_refused)


def starttls_injected(session):
    """Plaintext behind the 220: somebody is in between (RFC 3207, 6)."""
    session.say(b"220 2.0.0 Ready to start TLS", b"250 2.0.0 Injected")
    session.secure(session.listener.context())


def starttls_garbage(session):
    """220, and then no TLS."""
    session.say(b"220 2.0.0 Ready to start TLS")
    session.connection.recv(1)
    session.say(b"what was that?")


def starttls_closed(session):
    """220, the client's hello, and the end."""
    session.say(b"220 2.0.0 Ready to start TLS")
    session.connection.recv(4096)


def starttls_reset(session):
    """The same, as somebody on the way does it who wants no TLS."""
    session.say(b"220 2.0.0 Ready to start TLS")
    session.connection.recv(1)
    reset(session.connection)


def greet_with(line):
    """A greeting, and the end once the client has left."""

    def script(connection, _listener):
        connection.sendall(line + b"\r\n")
        hold(connection)

    return script


def close_after_ehlo(connection, listener):
    """Greet, hear EHLO, hang up."""
    session = SmtpSession(connection, listener)
    session.greet()
    session.command()


def no_ehlo(connection, listener):
    """RFC 821 and not a word more."""
    session = SmtpSession(connection, listener)
    session.greet()
    while verb := session.command():
        if verb == b"HELO":
            session.say(b"250 " + listener.name.encode("latin-1"))
        elif verb == b"QUIT":
            session.say(b"221 Bye")
            return
        else:
            session.say(b"500 Command not recognized")


def endless_banner(connection, _listener):
    """A greeting that never comes to its last line."""
    line = b"220-welcome to the mail host of the endless banner\r\n"
    while True:
        connection.sendall(line * 20)
        time.sleep(0.001)


def slow_banner(connection, listener):
    """A letter in half a second."""
    for byte in b"220 " + listener.banner * 20:
        connection.sendall(bytes([byte]))
        time.sleep(0.5)


# DNS.


def dns_servfail(query, _listener):
    """The name server is there and has no answer."""
    return query[:2] + bytes([0x80 | query[2] & 0x79, SERVFAIL]) + query[4:]


def dns_silent(_query, _listener):
    """No answer."""
    return None


def dns_no_mx(query, listener):
    """SERVFAIL to questions for MX; the others are answered."""
    message = dns.message.from_wire(query)
    question = message.question[0]
    if question.rdtype == dns.rdatatype.MX:
        return dns_servfail(query, listener)
    reply = dns.message.make_response(message)
    reply.flags |= dns.flags.AA
    for owner, kind, data in listener.records:
        if question.match(dns.name.from_text(owner), *in_class(kind)):
            found = dns.rrset.from_text(question.name, 1, "IN", kind, *data)
            reply.answer.append(found)
    return reply.to_wire()


def dns_strip(query, listener):
    """As routers at home forward: what is behind knows nothing of DNSSEC."""
    message = dns.message.from_wire(query)
    message.use_edns(-1)
    reply = dns.query.udp(message, listener.upstream, timeout=5)
    for section in (reply.answer, reply.authority):
        section[:] = [found for found in section if found.rdtype not in SIGNATURES]
    return reply.to_wire()


def in_class(kind):
    """Class and type as question.match() wants them."""
    types = dns.rdatatype
    return dns.rdataclass.IN, types.from_text(kind), types.NONE


SCRIPTS = {
    "https-mute": https(https_mute),
    "https-reset": https(https_reset),
    "https-drip": https(https_drip),
    "https-endless": https(https_endless),
    "https-no-http": https(https_no_http),
    "https-plain": plain_http,
    "mute": mute,
    "reset": reset_at_once,
    "smtp": smtp(starttls_whole),
    "smtp-old-tls": smtp(starttls_old),
    "smtp-no-starttls": smtp(None, offered=False),
    "smtp-454": smtp(starttls_refused),
    "smtp-injection": smtp(starttls_injected),
    "smtp-garbage": smtp(starttls_garbage),
    "smtp-tls-closed": smtp(starttls_closed),
    "smtp-tls-reset": smtp(starttls_reset),
    "smtp-421": greet_with(b"421 4.3.2 Too many connections, try later"),
    "smtp-554": greet_with(b"554 5.7.1 No mail from your network"),
    "smtp-ssh": greet_with(b"SSH-2.0-OpenSSH_9.2p1 Debian-2"),
    "smtp-close": close_after_ehlo,
    "smtp-no-ehlo": no_ehlo,
    "smtp-endless": endless_banner,
    "smtp-slow": slow_banner,
    "dns-servfail": dns_servfail,
    "dns-silent": dns_silent,
    "dns-no-mx": dns_no_mx,
    "dns-strip": dns_strip,
}


def serve_connection(connection, listener):
    """Run a script; what the client does wrong is its own matter."""
    with contextlib.suppress(OSError, ValueError), connection:
        connection.settimeout(PATIENCE)
        listener.enter()
        try:
            listener.script(connection, listener)
        finally:
            listener.leave()


def serve_datagram(sock, packet, peer, listener):
    """Answer a query."""
    with contextlib.suppress(OSError, dns.exception.DNSException):
        if reply := listener.script(packet, listener):
            sock.sendto(reply, peer)


def open_socket(listener):
    """The listening socket: UDP for DNS, else TCP."""
    family = socket.AF_INET6 if ":" in listener.address else socket.AF_INET
    if listener.port == 53:
        sock = socket.socket(family, socket.SOCK_DGRAM)
    else:
        sock = socket.socket(family)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((listener.address, listener.port))
    if sock.type == socket.SOCK_STREAM:
        sock.listen(128)
    sock.setblocking(False)
    return sock


def main(config):
    """Serve until killed; says "ready" once everything listens."""
    selector = selectors.DefaultSelector()
    for entry in json.loads(pathlib.Path(config).read_text(encoding="utf-8")):
        listener = Listener(entry)
        selector.register(open_socket(listener), selectors.EVENT_READ, listener)
    print("ready", flush=True)
    while True:
        for key, _ in selector.select():
            sock, listener = key.fileobj, key.data
            try:
                if sock.type == socket.SOCK_DGRAM:
                    job = (serve_datagram, (sock, *sock.recvfrom(65535), listener))
                else:
                    job = (serve_connection, (sock.accept()[0], listener))
            except OSError:
                continue
            threading.Thread(target=job[0], args=job[1], daemon=True).start()


if __name__ == "__main__":
    main(sys.argv[1])
