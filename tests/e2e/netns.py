"""A network namespace that holds one world, and the certain end of it.

Everything a world starts runs inside its namespace, so the namespace is also
the list of what has to be killed.  The name carries the pid of the run, and a
lock in the world's folder says whether that run is still alive: the next run
takes down what a killed one left behind.
"""

import contextlib
import ctypes
import fcntl
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

PREFIX = "strictmx-"
CLONE_NEWNET = 0x40000000
NETNS_FOLDER = pathlib.Path("/run/netns")
RESOLV_FOLDER = pathlib.Path("/etc/netns")

# What the tools need and nothing else: a variable such as SSL_CERT_FILE or
# https_proxy of the caller must not decide a test.
CLEAN_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
    "HOME": "/root",
    "TZ": "UTC",
}

_libc = ctypes.CDLL(None, use_errno=True)


class CommandFailed(Exception):
    """A tool ended with an error; the message holds what it said."""


def run(argv, *, check=True, timeout=60, env=None, **kwargs):
    """Run a command to its end and return it, with its output as text."""
    done = subprocess.run(
        [str(a) for a in argv],
        stdin=kwargs.pop("stdin", subprocess.DEVNULL),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        env=env or CLEAN_ENVIRONMENT,
        **kwargs,
    )
    if check and done.returncode != 0:
        raise CommandFailed(
            f"{' '.join(map(str, argv))}: exit {done.returncode}\n{done.stdout}"
        )
    return done


# A busy machine may be so many times as slow as the time-outs allow for.
SLOWNESS = 4


def wait_until(condition, timeout, what, interval=None):
    """Poll until condition() is true and return what it returned.

    The time-out is what a quick machine needs at the most. The interval grows
    from 10 to 100 ms unless it is given: quick things end quickly, and slow
    ones don't keep the processor from the programs they wait for.
    """
    end = time.monotonic() + SLOWNESS * timeout
    pause = interval or 0.01
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise TimeoutError(f"waited {SLOWNESS * timeout} s for {what}")
        time.sleep(pause)
        pause = interval or min(pause * 1.5, 0.1)


def watch_quiet(condition, seconds):
    """It is false for so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert not condition()
        time.sleep(0.1)


def world_folder(name):
    """Where the world of a namespace keeps its files."""
    return pathlib.Path(tempfile.gettempdir()) / f"{name}.world"


class Namespace:
    """One namespace with its folder, lock and resolv.conf."""

    def __init__(self, tag=""):
        self.name = f"{PREFIX}{os.getpid()}{tag}"
        self.folder = world_folder(self.name)
        self.children = []
        self._lock = None

    def create(self, resolver):
        """Make the namespace; programs run in it ask `resolver` for names."""
        self.folder.mkdir(mode=0o755)
        self._lock = open(self.folder / "lock", "w", encoding="ascii")
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        resolv = RESOLV_FOLDER / self.name
        resolv.mkdir(parents=True, exist_ok=True)
        (resolv / "resolv.conf").write_text(
            f"nameserver {resolver}\n", encoding="ascii"
        )
        run(["ip", "netns", "add", self.name])
        self.run(["ip", "link", "set", "lo", "up"])

    def add_addresses(self, addresses):
        """Give the namespace addresses of its own, all in one go."""
        lines = []
        for address in addresses:
            # nodad: an IPv6 address is usable at once.
            suffix = "/128 dev lo nodad" if ":" in address else "/32 dev lo"
            lines.append(f"addr add {address}{suffix}")
        batch = self.folder / "addresses"
        batch.write_text("\n".join(lines) + "\n", encoding="ascii")
        self.run(["ip", "-batch", batch])

    def inside(self, argv):
        """The command line that runs argv inside the namespace."""
        return ["ip", "netns", "exec", self.name, *(str(a) for a in argv)]

    def run(self, argv, **kwargs):
        """Run a command inside the namespace to its end."""
        return run(self.inside(argv), **kwargs)

    def start(self, argv, log, **kwargs):
        """Start a long-running program inside; its output goes to a file."""
        with open(log, "ab") as out:
            child = subprocess.Popen(
                self.inside(argv),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=kwargs.pop("env", CLEAN_ENVIRONMENT),
                # Ctrl-C is for us; we end the children ourselves.
                start_new_session=True,
                **kwargs,
            )
        self.children.append(child)
        return child

    @contextlib.contextmanager
    def entered(self):
        """Put the calling thread into the namespace for a while.

        A socket stays in the namespace where it was made, so this is all it
        takes to talk to the world, or to be a server in it.
        """
        with open("/proc/thread-self/ns/net", "rb") as back:
            with open(NETNS_FOLDER / self.name, "rb") as there:
                _setns(there.fileno())
            try:
                yield
            finally:
                _setns(back.fileno())

    def socket(self, family=socket.AF_INET, kind=socket.SOCK_STREAM):
        """A socket that belongs to the namespace."""
        with self.entered():
            return socket.socket(family, kind)

    def connect(self, address, timeout=10):
        """A TCP connection inside the namespace to (host, port)."""
        sock = self.socket()
        sock.settimeout(timeout)
        try:
            sock.connect(address)
        except OSError:
            sock.close()
            raise
        return sock

    def keep(self):
        """Leave the world up when this process ends."""
        (self.folder / "keep").touch()

    def destroy(self):
        """Kill what runs inside and remove every trace."""
        destroy(self.name)
        for child in self.children:
            child.wait(timeout=10)
        self.children.clear()
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def _setns(descriptor):
    if _libc.setns(descriptor, CLONE_NEWNET) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"setns: {os.strerror(error)}")


def pids_inside(name):
    """The processes in a namespace, without our own."""
    listed = run(["ip", "netns", "pids", name], check=False)
    if listed.returncode != 0:
        return []
    return [int(p) for p in listed.stdout.split() if int(p) != os.getpid()]


def destroy(name):
    """Take down the world of a namespace, by name; it may be half made."""
    if (NETNS_FOLDER / name).exists():
        # Twice and more: a process can fork while the list is read.
        wait_until(lambda: _kill_all(name), 20, f"the end of all in {name}")
    folder = world_folder(name)
    _unmount_below(folder)
    run(["ip", "netns", "del", name], check=False)
    shutil.rmtree(RESOLV_FOLDER / name, ignore_errors=True)
    with contextlib.suppress(OSError):
        RESOLV_FOLDER.rmdir()
    shutil.rmtree(folder, ignore_errors=True)


def _kill_all(name):
    pids = pids_inside(name)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return not pids


def _unmount_below(folder):
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        points = [line.split()[1] for line in mounts]
    for point in reversed(points):
        if point.startswith(f"{folder}/"):
            run(["umount", "-l", point], check=False)


def stale_worlds():
    """Names of worlds whose run was killed; kept ones are not among them."""
    names = []
    for folder in pathlib.Path(tempfile.gettempdir()).glob(f"{PREFIX}*.world"):
        name = folder.name[: -len(".world")]
        if not (folder / "keep").exists() and not _is_locked(folder / "lock"):
            names.append(name)
    return names


def _is_locked(path):
    try:
        with open(path, "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        # No lock yet: the world is being made this moment, or never was.
        return time.time() - path.parent.stat().st_mtime < 60
    return False


def destroy_stale():
    """Take down what killed runs have left behind."""
    for name in stale_worlds():
        destroy(name)
