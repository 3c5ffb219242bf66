"""strictmxd under test, and the strictmx command line."""

import json
import os
import pathlib
import re
import signal

from netns import CLEAN_ENVIRONMENT, run, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEFAULT_PORT = 8461

READY = re.compile(r"(?m)^info: strictmxd \S+ is ready$")

SANITIZER_REPORT = re.compile(
    r"ERROR: (Address|Leak|Thread|Memory)Sanitizer|runtime error:|"
    r"ASSERT|requirement failed|Segmentation fault"
)


def program(name):
    """Path of a program: STRICTMXD, STRICTMX, or the build folder."""
    return os.environ.get(name.upper()) or str(ROOT / "build" / name)


def environment():
    """A clean environment that still carries the sanitizers' options."""
    extra = {k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")}
    return {**CLEAN_ENVIRONMENT, **extra}


def netstring(data):
    """A netstring of bytes."""
    return b"%d:%s," % (len(data), data)


class Answer:
    """What `strictmx query` printed for one domain."""

    def __init__(self, done):
        self.exit = done.returncode
        self.text = done.stdout.rstrip("\n")

    @property
    def kind(self):
        """OK, NOTFOUND, TEMP …"""
        return self.text.partition(" ")[0]

    def __repr__(self):
        return repr(self.text)


class Strictmxd:
    """One daemon with configuration, store and log of its own."""

    def __init__(self, world, name="strictmxd", port=DEFAULT_PORT, **settings):
        self.world = world
        self.name = name
        self.folder = world.namespace.folder / name
        self.folder.mkdir(exist_ok=True)
        self.configuration = self.folder / "strictmx.conf"
        self.log_file = self.folder / "log"
        self.store = self.folder / "store" / "strictmx.db"
        self.store.parent.mkdir(exist_ok=True)
        self.address = f"127.0.0.1:{port}"
        self.port = port
        self.child = None
        self._log_start = 0
        # prefix is put before the command line: prlimit, faketime …
        self.prefix = []
        self.settings = {
            "listen": [self.address],
            "forwarders": [world.resolver],
            "ca_file": str(world.authority.root),
            "trust_anchor_file": str(world.dns.trust_anchor),
            "allow_private_addresses": True,
            **settings,
        }
        self.write_configuration()

    def write_configuration(self, text=None):
        """Write the configuration file, from the settings unless given."""
        if text is None:
            body = "".join(
                f"    {name} = {_setting(value)}\n"
                for name, value in self.settings.items()
                if value is not None
            )
            text = (
                f'store = "sqlite:{self.store}"\nlog_level = "debug"\n'
                f"resolve {{\n{body}}}\n"
            )
        self.configuration.write_text(text, encoding="utf-8")

    def start(self):
        """Start it and wait until it is ready."""
        self.launch()
        try:
            wait_until(self._is_ready, 20, f"{self.name} to be ready")
        except TimeoutError as late:
            raise RuntimeError(f"{late}; its log:\n{self.log()}") from late

    def launch(self):
        """Start it and don't wait."""
        self._log_start = len(self.log())
        command = [program("strictmxd"), "-c", str(self.configuration), "resolve"]
        self.child = self.world.namespace.start(
            [*self.prefix, *command], self.log_file, env=environment()
        )

    @property
    def is_alive(self):
        """Whether the process runs."""
        return self.child is not None and self.child.poll() is None

    def signal(self, number):
        """Send it a signal."""
        self.child.send_signal(number)

    def stop(self):
        """SIGTERM; returns the exit status."""
        if self.child is None:
            return 0
        if self.is_alive:
            self.signal(signal.SIGTERM)
        status = self.child.wait(timeout=20)
        self.child = None
        return status

    def kill(self):
        """SIGKILL, and wait for it."""
        self.signal(signal.SIGKILL)
        self.child.wait(timeout=20)
        self.child = None

    def log(self):
        """Everything it has logged."""
        if not self.log_file.exists():
            return ""
        return self.log_file.read_text(encoding="utf-8", errors="backslashreplace")

    def wait_log(self, pattern, timeout=20, start=0):
        """Wait until the log, from an offset on, has a match; returns it."""
        expression = re.compile(pattern)
        try:
            return wait_until(
                lambda: expression.search(self.log()[start:]), timeout, pattern
            )
        except TimeoutError as late:
            raise AssertionError(f"{late}; log:\n{self.log()[start:]}") from late

    def check_healthy(self):
        """It runs, and no sanitizer or assertion has spoken."""
        assert self.is_alive, f"{self.name} has ended:\n{self.log()}"
        report = SANITIZER_REPORT.search(self.log())
        assert not report, self.log()[report.start() :]

    def query(self, domain, map_name="strictmx-plain", server=None):
        """Ask it through `strictmx query`."""
        done = self.world.namespace.run(
            [program("strictmx"), "query", f"--server={server or self.address}"]
            + [f"--map={map_name}", domain],
            check=False,
            timeout=30,
            env=environment(),
        )
        return Answer(done)

    def query_json(self, domain, map_name="strictmx-plain"):
        """Ask it through `strictmx query --json`."""
        done = self.world.namespace.run(
            [program("strictmx"), "query", f"--server={self.address}", "--json"]
            + [f"--map={map_name}", domain],
            check=False,
            timeout=30,
            env=environment(),
        )
        return json.loads(done.stdout)

    def connect(self, timeout=15):
        """A plain connection to its first TCP listener."""
        return self.world.namespace.connect(("127.0.0.1", self.port), timeout)

    def ask(self, domain, map_name="strictmx-plain", timeout=15):
        """Ask it over a connection of our own; returns the reply's text."""
        with self.connect(timeout) as sock:
            sock.sendall(netstring(f"{map_name} {domain}".encode()))
            return read_netstring(sock).decode()

    def tool(self, *words, **kwargs):
        """Run `strictmx -c FILE WORDS…`, for config and cache."""
        return run(
            [program("strictmx"), "-c", str(self.configuration), *words],
            check=False,
            env=environment(),
            **kwargs,
        )

    def import_policies(self, entries):
        """`strictmx cache import` of (domain, id, fetched_at, policy)."""
        lines = [
            json.dumps(
                {"domain": domain, "id": sts_id, "fetched_at": at, "policy": policy}
            )
            for domain, sts_id, at, policy in entries
        ]
        path = self.folder / "import.jsonl"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return self.tool("cache", "import", str(path))

    def export_policies(self):
        """`strictmx cache export`, by domain."""
        path = self.folder / "export.jsonl"
        path.unlink(missing_ok=True)
        done = self.tool("cache", "export", str(path))
        assert done.returncode == 0, done.stdout
        rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        return {row["domain"]: row for row in rows}

    def _is_ready(self):
        # It listens before its store is read: the log tells when all is well.
        if not self.is_alive:
            raise RuntimeError(f"{self.name} ended at start:\n{self.log()}")
        return READY.search(self.log()[self._log_start :])


def read_netstring(sock):
    """One netstring from a socket; EOFError when the peer closes first."""
    head = b""
    while not head.endswith(b":"):
        byte = sock.recv(1)
        if not byte:
            raise EOFError(f"connection closed after {head!r}")
        head += byte
        if len(head) > 10:
            raise ValueError(f"no netstring: {head!r}")
    wanted = int(head[:-1]) + 1
    data = b""
    while len(data) < wanted:
        part = sock.recv(wanted - len(data))
        if not part:
            raise EOFError("connection closed inside a netstring")
        data += part
    if data[-1:] != b",":
        raise ValueError(f"netstring without a comma: {data[-20:]!r}")
    return data[:-1]


def _setting(value):
    """A value in the language of the configuration file."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "{ " + ", ".join(_setting(v) for v in value) + " }"
    if isinstance(value, int):
        return str(value)
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
