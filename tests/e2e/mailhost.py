"""An SMTP server that takes mail, or goes wrong at the command it is told."""

import base64
import contextlib
import socket
import ssl
import threading

# What it says when nothing else is scripted.
REPLIES = {
    "greeting": b"220 mx.test ESMTP\r\n",
    "EHLO": None,
    "HELO": b"250 mx.test\r\n",
    "STARTTLS": b"220 go ahead\r\n",
    "AUTH": None,
    "MAIL": b"250 2.1.0 Ok\r\n",
    "RCPT": b"250 2.1.5 Ok\r\n",
    "DATA": b"354 go on\r\n",
    "dot": b"250 2.0.0 queued as 4711\r\n",
    "QUIT": b"221 bye\r\n",
}


class Message:
    """What was taken: the envelope as it was sent, and the bytes."""

    def __init__(self, sender, recipient, data, session):
        self.sender = sender
        self.recipient = recipient
        self.data = data
        self.commands = list(session.commands)
        self.tls = session.tls
        self.user = session.user


class MailHost:
    """A server on one address.

    replies    by command ("greeting", "dot" for the end of the message): the
               bytes in place of the usual reply
    acts       by command: called with the connection; unless it returns
               true, that was all
    password   AUTH is offered for user "us" and needed
    tls        STARTTLS is offered, or, with implicit, TLS is all there is
    """

    def __init__(
        self,
        namespace,
        address,
        *,
        port=25,
        certificate=None,
        implicit=False,
        limits=None,
        replies=None,
        acts=None,
        password=None,
        offers_auth=True,
    ):
        self._namespace = namespace
        self.address = address
        self.port = port
        self.certificate = certificate
        self.implicit = implicit
        self.limits = limits
        self.replies = {**REPLIES, **(replies or {})}
        self.acts = acts or {}
        self.password = password
        self.offers_auth = offers_auth
        self.messages = []
        self.connections = 0
        self.goodbyes = 0
        # What was not understood.
        self.surprises = []
        self._listener = None

    def start(self):
        """Listen, and serve in threads."""
        self._listener = self._namespace.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((self.address, self.port))
        self._listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self):
        """Refuse connections from now on."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def context(self):
        """The TLS context of a session."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if self.limits:
            context.set_ciphers("DEFAULT:@SECLEVEL=0")
            context.minimum_version, context.maximum_version = self.limits
        context.load_cert_chain(self.certificate.cert, self.certificate.key)
        return context

    def _accept(self):
        listener = self._listener
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(
                target=self._handle, args=(connection,), daemon=True
            ).start()

    def _handle(self, connection):
        connection.settimeout(30)
        with contextlib.suppress(OSError, ValueError):
            session = _Session(self, connection)
            try:
                session.serve()
            finally:
                session.lines.close()
                session.connection.close()


class _Session:
    def __init__(self, host, connection):
        self.host = host
        self.connection = connection
        self.lines = connection.makefile("rb")
        self.commands = []
        self.tls = False
        self.user = None
        self.sender = self.recipient = None

    def serve(self):
        """The whole session."""
        if self.host.implicit:
            self.secure()
        self.reply("greeting")
        while True:
            line = self.lines.readline(4096)
            if not line:
                return
            self.commands.append(line.decode("latin-1").rstrip("\r\n"))
            verb = line.split()[0].decode("latin-1") if line.split() else ""
            method = getattr(self, f"do_{verb}", None)
            if method is None or not line.endswith(b"\r\n"):
                self.host.surprises.append(line)
                self.connection.sendall(b"500 what?\r\n")
                continue
            method(line.decode("latin-1").rstrip("\r\n"))

    def secure(self):
        """Become a TLS server."""
        self.connection = self.host.context().wrap_socket(
            self.connection, server_side=True
        )
        self.lines = self.connection.makefile("rb")
        self.tls = True

    def reply(self, stage):
        """Reply, or do what the script says. @return was it as usual?"""
        if stage in self.host.acts:
            if not self.host.acts[stage](self.connection):
                raise OSError("the script is over")
        self.connection.sendall(self.host.replies[stage])
        return self.host.replies[stage][:1] in b"23"

    def do_EHLO(self, _line):  # pylint: disable=invalid-name
        """What is offered."""
        if self.host.replies["EHLO"] or "EHLO" in self.host.acts:
            self.reply("EHLO")
            return
        words = ["mx.test", "SIZE 10000000"]
        if self.host.certificate and not self.tls:
            words.append("STARTTLS")
        if self.host.password and self.host.offers_auth:
            words.append("AUTH PLAIN LOGIN")
        words.append("HELP")
        last = len(words) - 1
        for i, word in enumerate(words):
            mark = " " if i == last else "-"
            self.connection.sendall(f"250{mark}{word}\r\n".encode())

    def do_HELO(self, _line):  # pylint: disable=invalid-name
        """Without extensions."""
        self.reply("HELO")

    def do_STARTTLS(self, _line):  # pylint: disable=invalid-name
        """TLS, if the reply allows it."""
        if self.reply("STARTTLS"):
            self.secure()

    def do_AUTH(self, line):  # pylint: disable=invalid-name
        """AUTH PLAIN (RFC 4616)."""
        if self.host.replies["AUTH"] or "AUTH" in self.host.acts:
            self.reply("AUTH")
            return
        words = line.split()
        if words[1] != "PLAIN":
            self.connection.sendall(b"504 not here\r\n")
            return
        if len(words) == 2:
            self.connection.sendall(b"334 \r\n")
            words.append(self.lines.readline(4096).decode("latin-1").strip())
        if base64.b64decode(words[2]) == f"\0us\0{self.host.password}".encode():
            self.user = "us"
            self.connection.sendall(b"235 2.7.0 Welcome\r\n")
        else:
            self.connection.sendall(b"535 5.7.8 Wrong password\r\n")

    def do_MAIL(self, line):  # pylint: disable=invalid-name
        """The sender."""
        self.sender = line
        if self.host.password and self.user is None:
            self.connection.sendall(b"530 5.7.0 Authentication required\r\n")
            return
        self.reply("MAIL")

    def do_RCPT(self, line):  # pylint: disable=invalid-name
        """The recipient."""
        self.recipient = line
        self.reply("RCPT")

    def do_DATA(self, _line):  # pylint: disable=invalid-name
        """The message, its dots taken out (RFC 5321, 4.5.2)."""
        if not self.reply("DATA"):
            return
        data = b""
        while True:
            line = self.lines.readline(1 << 20)
            if not line:
                return
            if line == b".\r\n":
                break
            data += line[1:] if line.startswith(b".") else line
        self.host.messages.append(Message(self.sender, self.recipient, data, self))
        self.reply("dot")

    def do_QUIT(self, _line):  # pylint: disable=invalid-name
        """The end."""
        self.host.goodbyes += 1
        self.reply("QUIT")
        raise OSError("the end")
