"""What is measured: strictmx, the echo server it is compared with, and other
daemons of the same kind where there are any."""

import json
import os
import shlex
import shutil
import subprocess
from datetime import datetime, timezone
from pathlib import Path

from world import POLICY_ID, Broken, Process, policy, run, wait_for


def _parents():
    parent = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
                parent[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
            except OSError:
                pass
    return parent


def family(pid):
    """A process and all below it."""
    parent, pids = _parents(), [pid]
    for p in pids:
        pids += [c for c, up in parent.items() if up == p]
    return pids


class Daemon:
    name = "?"
    map = "strictmx-plain"
    # What a reply begins with when the domain has a policy, and when not.
    ok = "OK secure match="
    none = "NOTFOUND "
    tcp = unix = None
    outside = False  # reached through the network outside
    can_import = can_start = False
    process = None

    def start(self):
        """With nothing cached."""

    def stop(self):
        if self.process is not None:
            self.process.stop()
            self.process = None

    def restart(self):
        self.stop()
        self.start()

    def cpu_ns(self):
        """CPU time of all threads so far, None when it isn't ours to see."""
        if self.process is None:
            return None
        self.process.check()
        total = 0
        for pid in family(self.process.pid):
            for task in Path(f"/proc/{pid}/task").iterdir():
                total += int((task / "schedstat").read_text().split()[0])
        return total

    def pin(self, cpus):
        """All its threads to these CPUs."""
        if self.process is None:
            return
        for pid in family(self.process.pid):
            for task in os.listdir(f"/proc/{pid}/task"):
                os.sched_setaffinity(int(task), cpus)

    def rss_bytes(self, field="VmRSS"):
        """Resident memory; RssAnon is the part that is not a mapped file."""
        if self.process is None:
            return None
        self.process.check()
        total = 0
        for pid in family(self.process.pid):
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith(field + ":"):
                    total += int(line.split()[1]) * 1024
        return total


class Echo(Daemon):
    name = "echo"
    none = "OK secure match="
    can_start = True

    def __init__(self, world, binary, port=8460):
        self.world, self.binary = world, binary
        self.tcp = f"127.0.0.1:{port}"
        self.unix = f"unix:{world.scratch}/echo-{port}.sock"

    def start(self):
        self.process = Process([self.binary, self.tcp, self.unix],
                               self.world.scratch / "echo.log")
        wait_for(self.tcp, self.process)
        wait_for(self.unix, self.process)


class Strictmx(Daemon):
    name = "strictmx"
    tcp = "127.0.0.1:8461"
    can_import = can_start = True

    def __init__(self, world, strictmxd, strictmx):
        self.world, self.daemon, self.client = world, strictmxd, strictmx
        self.dir = world.scratch / "strictmx"
        self.unix = f"unix:{self.dir}/socket"
        self.conf = self.dir / "conf"
        self.log = world.scratch / "strictmxd.log"

    def clear(self):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)
        self.dir.mkdir()
        self.conf.write_text(f"""store = "sqlite:{self.dir}/store.db"
log_level = "warning"
resolve {{
    listen = {{ "{self.tcp}", "{self.unix}" }}
    forwarders = {{ "127.0.0.1@53" }}
    trust_anchor_file = "{self.world.anchor}"
    ca_file = "{self.world.ca}"
    allow_private_addresses = true
}}
""")

    def start(self):
        self.clear()
        self.start_again()

    def start_again(self):
        """With what is in the store."""
        self.spawn()
        wait_for(self.tcp, self.process)
        wait_for(self.unix, self.process)

    def spawn(self):
        self.process = Process([self.daemon, "-c", self.conf], self.log)

    def load_cache(self, domains):
        """Stopped, with these policies in the store."""
        self.clear()
        now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        lines = self.dir / "policies.jsonl"
        with open(lines, "w") as f:
            for domain in domains:
                f.write(json.dumps({"domain": domain, "id": POLICY_ID,
                                    "fetched_at": now,
                                    "policy": policy(domain)}) + "\n")
        run([self.client, "cache", "import", "-c", self.conf, lines],
            timeout=300)
        lines.unlink()


class StsResolver(Daemon):
    """postfix-mta-sts-resolver, from Debian's package, with the fastest of
    its caches, which it may keep for a day without a look at the DNS."""
    name = "postfix-mta-sts-resolver"
    binary = "/usr/bin/mta-sts-daemon"
    can_start = True
    tcp = "127.0.0.1:8471"

    def __init__(self, world, by_unix=False):
        self.world = world
        self.dir = world.scratch / f"sts-resolver-{int(by_unix)}"
        self.dir.mkdir()
        if by_unix:
            self.tcp, self.unix = None, f"unix:{self.dir}/socket"
            where = f"path: {self.dir}/socket\nmode: 0666\n"
        else:
            where = "host: 127.0.0.1\nport: 8471\n"
        (self.dir / "conf.yml").write_text(
            where + "cache_grace: 86400\n"
            "cache:\n  type: internal\n  options:\n    cache_size: 10000\n"
            "default_zone:\n  strict_testing: false\n  timeout: 4\n")

    def start(self):
        self.process = Process(
            [self.binary, "-c", self.dir / "conf.yml"], self.dir / "log",
            env=dict(os.environ, SSL_CERT_FILE=str(self.world.ca)))
        wait_for(self.tcp or self.unix, self.process)


class Other(Daemon):
    """PEER=name=addr[=command]. With a command it is started in our network
    and meets our domains; without, it must be running already, outside, and
    answers what it can."""

    def __init__(self, world, text):
        parts = text.split("=", 2)
        if len(parts) < 2 or not all(parts):
            raise SystemExit(f"bench: PEER is name=addr[=command], not {text!r}")
        self.name, address = parts[:2]
        self.world = world
        self.command = parts[2] if len(parts) == 3 else None
        self.can_start = self.command is not None
        if address.startswith("unix:"):
            self.unix = address
        else:
            self.tcp = address
        self.outside = not self.can_start and self.unix is None
        if not self.can_start:
            # Whatever it knows of our domains: a well-formed reply will do.
            self.ok = self.none = ""

    def start(self):
        if self.command is None:
            return
        argv = [w.format(dir=self.world.scratch, ca=self.world.ca)
                for w in shlex.split(self.command)]
        self.process = Process(
            argv, self.world.scratch / f"peer-{self.name}.log",
            env=dict(os.environ, SSL_CERT_FILE=str(self.world.ca)))
        wait_for(self.tcp or self.unix, self.process)


class Load:
    """Runs the load client and reads its line."""

    def __init__(self, binary, scratch):
        self.binary, self.scratch = binary, Path(scratch)

    def names(self, label, names):
        path = self.scratch / f"names-{label}"
        if not path.exists():
            path.write_text("\n".join(names) + "\n")
        return path

    def __call__(self, daemon, address, names, expect, *options,
                 background=False, cpus=None):
        argv = [self.binary, f"--addr={address}", f"--names={names}",
                f"--map={daemon.map}", *options]
        argv += [f"--expect={expect}"] if expect else []
        fds = ()
        if daemon.outside:
            argv = ["nsenter", "--net=/proc/self/fd/9", *argv]
            fds = (9,)
        if cpus is not None:
            argv = ["taskset", "-c", ",".join(map(str, sorted(cpus))), *argv]
        child = subprocess.Popen([str(a) for a in argv], text=True,
                                 stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, pass_fds=fds)
        return child if background else self.result(child)

    @staticmethod
    def result(child, seconds=300):
        out, err = child.communicate(timeout=seconds)
        if not out:
            raise Broken(err.strip() or "the load client said nothing")
        found = dict(p.split("=") for p in out.split())
        found = {k: float(v) for k, v in found.items()}
        found["said"] = err.strip()
        return found
