"""Where reports are handed over: a namespace whose DNS is all script, HTTPS
servers that remember what was posted, and the program that posts and mails."""

import contextlib
import json
import pathlib
import threading
import time

import dnsfault
from authority import Authority
from daemon import environment, program
from httpsfault import FaultyHost
from netns import Namespace, destroy_stale

RESOLVER = "10.53.0.56"


class Handover:
    """Everything above; use it as a context manager."""

    def __init__(self, tag):
        self.namespace = Namespace(tag)
        self._count = 0
        self._next_address = 0

    def __enter__(self):
        destroy_stale()
        try:
            self.namespace.create(RESOLVER)
            folder = self.namespace.folder
            self.authority = Authority(folder / "ca", "Handover CA")
            self.nobodys_authority = Authority(folder / "evil", "Nobody's CA")
            self.dns = dnsfault.Forwarder(
                self.namespace, RESOLVER, None, dnsfault.rcode("NOERROR")
            )
            self.dns.start()
        except BaseException:
            self.namespace.destroy()
            raise
        return self

    def __exit__(self, *_):
        self.dns.stop()
        self.namespace.destroy()

    def address(self):
        """A new address of this namespace."""
        self._next_address += 1
        address = f"10.80.{self._next_address // 250}.{self._next_address % 250 + 1}"
        self.namespace.add_addresses([address])
        return address

    def name(self, name, *addresses):
        """Let a name have these addresses."""
        for kind, mark in (("A", "."), ("AAAA", ":")):
            mine = [a for a in addresses if mark in a and (kind == "A") != (":" in a)]
            if mine:
                self.dns.script(name, kind, dnsfault.records(*mine, kind=kind))

    def file(self, data):
        """A new file with these bytes."""
        self._count += 1
        path = self.namespace.folder / f"file{self._count}"
        path.write_bytes(data)
        return str(path)

    def run(self, *jobs, timeout=60, env=None, **settings):
        """Hand over; returns the answers in the order of the jobs.

        post, mail   settings, see handover.c
        stop_ms      end after so long, whatever is under way
        """
        path = self.file(json.dumps({"dns": RESOLVER, "jobs": jobs, **settings}).encode())
        with open(path, "rb") as spec:
            done = self.namespace.run(
                [_program()],
                stdin=spec,
                timeout=timeout,
                env={**environment(), **(env or {})},
                check=False,
            )
        answers = [json.loads(line) for line in done.stdout.splitlines()
                   if line.startswith("{")]
        if answers and "error" in answers[0]:
            assert done.returncode == 1, done.stdout
            return answers
        assert done.returncode == 0, done.stdout
        assert "stop_ms" in settings or len(answers) == len(jobs), done.stdout
        return sorted(answers, key=lambda answer: answer["job"])

    def post_settings(self, **changes):
        """Settings for the small internet in here."""
        return {
            "ca_file": str(self.authority.root),
            "private": 1,
            "timeout_ms": 20000,
            **changes,
        }

    def post(self, host, body=b"report", *, path="/", port=443, kind=None):
        """A job: POST this body."""
        return {
            "host": host,
            "port": port,
            "path": path,
            "type": kind or "application/tlsrpt+gzip",
            "file": self.file(body),
        }

    def mail(self, data, *, sender="reports@sender.test", to="rua@domain.test"):
        """A job: mail these bytes."""
        return {"from": sender, "to": to, "file": self.file(data)}


def _program():
    built = pathlib.Path(program("strictmxd")).parent
    return built / "tests" / "e2e" / "handover"


class ReportHost(FaultyHost):
    """An HTTPS server that reads a whole request, remembers it, and then does
    what it is told."""

    def __init__(self, *args, read_body=True, **kwargs):
        super().__init__(*args, **kwargs)
        self._read_body = read_body
        self.requests = []

    def _handle(self, connection, context):
        with contextlib.suppress(OSError, ValueError), connection:
            connection.settimeout(30)
            if context is None:
                self.serve(connection)
                return
            with context.wrap_socket(connection, server_side=True) as session:
                self.requests.append(self._read(session))
                self.serve(session)
                with contextlib.suppress(OSError):
                    session.unwrap()

    def _read(self, session):
        data = b""
        while b"\r\n\r\n" not in data:
            data += _some(session)
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        if self._read_body:
            while len(body) < int(headers["content-length"]):
                body += _some(session)
        return Request(lines[0], headers, body)


class Request:
    """What was posted."""

    def __init__(self, line, headers, body):
        self.line = line
        self.headers = headers
        self.body = body


def _some(session):
    part = session.recv(65536)
    if not part:
        raise OSError("closed before the request was complete")
    return part


class Slowly:
    """The same after a while; it counts how many wait at a time."""

    def __init__(self, seconds, serve):
        self._seconds = seconds
        self._serve = serve
        self._lock = threading.Lock()
        self._running = 0
        self.peak = 0

    def __call__(self, connection):
        with self._lock:
            self._running += 1
            self.peak = max(self.peak, self._running)
        time.sleep(self._seconds)
        with self._lock:
            self._running -= 1
        return self._serve(connection)
