"""Policy hosts that go wrong on demand, each on an address of its own."""

import contextlib
import socket
import ssl
import struct
import threading

GOOD_POLICY = (
    "version: STSv1\r\nmode: enforce\r\nmx: mx.hoster.test\r\nmax_age: 604800\r\n"
)


def response(body=GOOD_POLICY, *, status="200 OK", kind="text/plain", extra=()):
    """A whole HTTP/1.1 response; kind None leaves the media type out."""
    data = body if isinstance(body, bytes) else body.encode()
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(data)}"]
    if kind is not None:
        lines.append(f"Content-Type: {kind}")
    lines += [*extra, "Connection: close"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


def padded_policy(size):
    """A valid policy of exactly that many octets."""
    lines = GOOD_POLICY.encode()
    line = b"padding: " + b"x" * 989 + b"\r\n"
    while size - len(lines) > 2000:
        lines += line
    left = size - len(lines)
    return lines + b"padding: " + b"x" * (left - 11) + b"\r\n"


class FaultyHost:
    """An HTTPS server on one address.

    serve(connection) is called after the TLS handshake and the request.
    With tls=False it gets the bare TCP connection instead.
    """

    def __init__(
        self, namespace, address, certificate, serve, *, tls=True, limits=None
    ):
        self._namespace = namespace
        self.address = address
        self.certificate = certificate
        self.serve = serve
        self.tls = tls
        # (lowest, highest) TLS version.
        self.limits = limits
        self.connections = 0
        self._listener = None

    def start(self):
        """Listen on port 443 and serve in threads."""
        context = self._context() if self.tls else None
        self._listener = self._namespace.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((self.address, 443))
        self._listener.listen(64)
        threading.Thread(target=self._accept, args=(context,), daemon=True).start()

    def stop(self):
        """Close the listener: connections are refused from now on."""
        if self._listener is None:
            return
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._listener = None

    def _context(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if self.limits:
            # Debian's OpenSSL has switched the old versions off.
            context.set_ciphers("DEFAULT:@SECLEVEL=0")
            context.minimum_version, context.maximum_version = self.limits
        context.load_cert_chain(self.certificate.cert, self.certificate.key)
        return context

    def _accept(self, context):
        listener = self._listener
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(
                target=self._handle, args=(connection, context), daemon=True
            ).start()

    def _handle(self, connection, context):
        with contextlib.suppress(OSError, ValueError):
            with connection:
                connection.settimeout(30)
                if context is None:
                    self.serve(connection)
                    return
                with context.wrap_socket(connection, server_side=True) as session:
                    read_request(session)
                    self.serve(session)
                    with contextlib.suppress(OSError):
                        session.unwrap()


def read_request(session):
    """Read up to the blank line behind the request's headers."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = session.recv(4096)
        if not part:
            raise OSError("closed before the request was complete")
        data += part
        if len(data) > 65536:
            raise ValueError("endless request")
    return data


# What to do with a connection.


def send(data):
    """Send these bytes and close."""

    def serve(connection):
        connection.sendall(data)

    return serve


def hold(connection):
    """Say nothing until the client gives up."""
    connection.settimeout(60)
    while connection.recv(4096):
        pass


def reset(connection):
    """Close with RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def reset_inside_body(connection):
    """Half of the body, then RST."""
    data = response()
    connection.sendall(data[: len(data) - 30])
    reset(connection)


def drip(connection):
    """A correct answer, a byte in a second: the total limit has to end it."""
    pause = threading.Event()
    for byte in response():
        connection.sendall(bytes([byte]))
        pause.wait(1)


def endless(head, piece):
    """A head, then the same piece again and again."""

    def serve(connection):
        connection.sendall(head)
        while True:
            connection.sendall(piece)

    return serve


def chunked(body, ending=b"0\r\n\r\n"):
    """A response in chunks of 4096 octets."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
    head += b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    parts = [body[i : i + 4096] for i in range(0, len(body), 4096)]
    return head + b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in parts) + ending


def until_close(body):
    """A response without a length: the end of the connection ends it."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"
    return head + body


def cut_off(data):
    """Send, then end the TCP connection without TLS's closing alert."""

    def serve(connection):
        connection.sendall(data)
        connection.shutdown(socket.SHUT_RDWR)

    return serve
