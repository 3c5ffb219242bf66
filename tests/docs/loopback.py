"""Two domains on 127.0.0.1, a sound one and a broken one, just large enough for
each member of what `strictmx check --json` prints: a name server, an HTTPS
server and an MX host, whose answers are all made up here."""

import contextlib
import http.server
import pathlib
import socket
import socketserver
import ssl
import struct
import threading

from project import program, run

SOUND = "sound.example"
BROKEN = "broken.example"
MX_HOST = "mail.sound.example"
TYPES = {1: "A", 15: "MX", 16: "TXT", 52: "TLSA"}
POLICY = (
    b"version: STSv1\nmode: testing\nmx: mail.sound.example\n"
    b"max_age: 604800\nlater: 1\n"
)


def text(value):
    """The data of a TXT record."""
    raw = value.encode()
    return bytes([len(raw)]) + raw


def name_data(name):
    """A name as it goes over the wire."""
    labels = [bytes([len(label)]) + label.encode() for label in name.split(".")]
    return b"".join(labels) + b"\0"


RECORDS = {
    (SOUND, "MX"): struct.pack("!H", 10) + name_data(MX_HOST),
    (SOUND, "TXT"): text("v=spf1 mx -all"),
    (f"_dmarc.{SOUND}", "TXT"): text("v=DMARC1; p=reject"),
    (f"_mta-sts.{SOUND}", "TXT"): text("v=STSv1; id=20260101T000000;"),
    (f"_smtp._tls.{SOUND}", "TXT"): text(f"v=TLSRPTv1; rua=mailto:a@{SOUND}"),
    (MX_HOST, "A"): socket.inet_aton("127.0.0.1"),
    (f"_25._tcp.{MX_HOST}", "TLSA"): bytes([3, 1, 1]) + bytes(32),
    (BROKEN, "MX"): struct.pack("!H", 10) + name_data(MX_HOST),
    (f"_mta-sts.{BROKEN}", "TXT"): text("v=STSv1; id=2026-01-01;"),
}


class Dns(socketserver.BaseRequestHandler):
    """Answers from RECORDS; what is not there does not exist."""

    def handle(self):
        query, client = self.request
        end = query.index(b"\0", 12)
        labels, at = [], 12
        while at < end:
            labels.append(query[at + 1 : at + 1 + query[at]].decode().lower())
            at += 1 + query[at]
        name = ".".join(labels)
        (kind,) = struct.unpack_from("!H", query, end + 1)
        data = RECORDS.get((name, TYPES.get(kind)))
        exists = any(n == name or n.endswith("." + name) for n, _ in RECORDS)
        # QR, RD and RA; NXDOMAIN (RFC 1035, 4.1.1).
        flags = 0x8180 if exists else 0x8183
        reply = query[:2] + struct.pack("!5H", flags, 1, data is not None, 0, 0)
        reply += query[12 : end + 5]
        if data is not None:
            reply += struct.pack("!HHHIH", 0xC00C, kind, 1, 60, len(data)) + data
        client.sendto(reply, self.client_address)


class Policy(http.server.BaseHTTPRequestHandler):
    """Serves POLICY, whatever is asked for."""

    def do_GET(self):
        """The policy."""
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(POLICY)))
        self.end_headers()
        self.wfile.write(POLICY)

    def log_message(self, *_):
        """Quietly."""


class Mail(socketserver.StreamRequestHandler):
    """An SMTP server up to STARTTLS."""

    def handle(self):
        self.wfile.write(b"220 mail.sound.example ESMTP\r\n")
        self.rfile.readline()
        self.wfile.write(b"250-mail.sound.example\r\n250 STARTTLS\r\n")
        self.rfile.readline()
        self.wfile.write(b"220 go ahead\r\n")
        with contextlib.suppress(OSError):
            with self.server.tls.wrap_socket(self.request, server_side=True) as s:
                s.recv(100)


class Loopback:
    """The servers; use it as a context manager."""

    def __init__(self, folder):
        self._certificate = pathlib.Path(folder) / "certificate.pem"
        key = pathlib.Path(folder) / "key.pem"
        names = f"DNS:mta-sts.{SOUND},DNS:{MX_HOST}"
        made = run(
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:P-256", "-nodes", "-days", "90", "-subj",
            "/CN=sound", "-addext", f"subjectAltName={names}", "-keyout", key,
            "-out", self._certificate,
        )
        if made.returncode != 0:
            raise RuntimeError(made.stderr)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(self._certificate, key)
        here = ("127.0.0.1", 0)
        self._dns = socketserver.ThreadingUDPServer(here, Dns)
        self._web = http.server.ThreadingHTTPServer(here, Policy)
        self._web.socket = tls.wrap_socket(self._web.socket, server_side=True)
        self._mail = socketserver.ThreadingTCPServer(here, Mail)
        self._mail.tls = tls
        self._servers = (self._dns, self._web, self._mail)
        for server in self._servers:
            server.daemon_threads = True

    def __enter__(self):
        for server in self._servers:
            threading.Thread(target=server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def check(self, *words):
        """Run `strictmx check` in this world."""
        dns, web, mail = (server.server_address[1] for server in self._servers)
        return run(
            program("strictmx"), "check", f"--resolver=127.0.0.1@{dns}",
            "--trust-anchor=", f"--ca-file={self._certificate}",
            "--allow-private-addresses", f"--smtp-port={mail}",
            f"--connect=mta-sts.{SOUND}:443=127.0.0.1:{web}",
            # It shows a certificate for other names there.
            f"--connect=mta-sts.{BROKEN}:443=127.0.0.1:{web}", *words,
        )
