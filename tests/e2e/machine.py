"""A machine with systemd, in the world's namespace: what `make install` brings
runs there as its units have it, and next to it Debian's Postfix.

Its root is this machine's, seen through an overlay: what is written there is
gone with it, and what must not be started has no link any more.
"""

import re
import shutil
import textwrap

from daemon import ROOT
from netns import run, wait_until

# A build without sanitizers: they don't get on with a unit's sandbox.
BUILD = ROOT / "build"

BOOT = """\
set -eu
root=$1 files=$2
mount -t tmpfs -o mode=755 tmpfs "$root"
mkdir "$root/work" "$root/root"
cp -a "$files" "$root/upper"
mount -t overlay overlay "$root/root" -o \\
    "lowerdir=/,upperdir=$root/upper,workdir=$root/work"
cd "$root/root"
# Nothing of this machine's own is started.
rm -rf etc/systemd/system
mv etc/systemd/system.here etc/systemd/system
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs dev
for node in null zero full random urandom tty; do
    mknod "dev/$node" c $(stat -c '0x%t 0x%T' "/dev/$node")
    chmod 666 "dev/$node"
done
ln -s /proc/self/fd dev/fd
mkdir dev/shm dev/pts
mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
# Not chroot: a unit's own view of the files begins at the root.
pivot_root . mnt
umount -l /mnt
# A unit's credentials are mounted by one process for another.
mount --make-rshared /
exec chroot / /lib/systemd/systemd --log-target=journal
"""

TARGET = """\
[Unit]
Requires=basic.target
After=basic.target
AllowIsolate=yes
"""


class Machine:
    """It is up after boot(), and gone with the namespace."""

    def __init__(self, world, name="machine"):
        self.world = world
        self.folder = world.namespace.folder / name
        self.files = self.folder / "files"
        self._root = self.folder / "root"
        self._root.mkdir(parents=True)
        self._pid = None
        self.write("etc/systemd/system.here/default.target", TARGET)
        self.write("etc/machine-id", "5" * 32 + "\n")
        self.write("etc/resolv.conf", f"nameserver {world.resolver}\n")
        self.write("etc/systemd/journald.conf.d/here.conf",
                   "[Journal]\nStorage=volatile\n")

    def write(self, path, text):
        """A file of its root, before it is up."""
        file = self.files / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text), encoding="utf-8")

    def copy(self, source, path):
        """The same, from a file of this machine."""
        (self.files / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, self.files / path)

    def install(self):
        """What `make install` brings."""
        run(["meson", "install", "-C", BUILD, "--no-rebuild",
             f"--destdir={self.files}"])

    def boot(self):
        """Wait until systemd is up."""
        script = self.folder / "boot"
        script.write_text(BOOT, encoding="ascii")
        child = self.world.namespace.start(
            ["unshare", "--mount", "--pid", "--cgroup", "--uts", "--ipc", "--fork",
             "--kill-child", "sh", script, self._root, self.files],
            self.folder / "log",
        )
        wait_until(lambda: self._find(child), 30, "the machine's first process")
        wait_until(self._is_up, 60, "the machine")

    def run(self, *words, **kwargs):
        """Run a command in it to its end."""
        return run(
            ["nsenter", f"--target={self._pid}", "--mount", "--pid", "--net",
             "--cgroup", "--uts", "--ipc", "--", "env", "-C", "/", *words],
            **kwargs,
        )

    def text(self, *words):
        """What a command says, whether it succeeds or not."""
        return self.run(*words, check=False).stdout.strip()

    def enable(self, *units):
        """Start them, now and at each boot."""
        done = self.run("systemctl", "enable", "--now", *units, check=False)
        if done.returncode != 0:
            raise RuntimeError(done.stdout + "".join(map(self.log, units)))

    def log(self, unit):
        """The journal of a unit."""
        return self.text("journalctl", "--no-pager", "-o", "cat", "-u", unit)

    def wait_log(self, unit, pattern, timeout=20):
        """Wait until it has a match; returns it."""
        expression = re.compile(pattern)
        try:
            return wait_until(
                lambda: expression.search(self.log(unit)), timeout, pattern
            )
        except TimeoutError as late:
            raise AssertionError(f"{late}; {unit}:\n{self.log(unit)}") from late

    def _find(self, child):
        """systemd is the only child of unshare."""
        if child.poll() is not None:
            log = (self.folder / "log").read_text(encoding="utf-8")
            raise RuntimeError(f"the machine is gone: {log}")
        done = run(["pgrep", "-P", str(child.pid), "systemd"], check=False)
        self._pid = int(done.stdout) if done.returncode == 0 else None
        return self._pid is not None

    def _is_up(self):
        state = self.text("systemctl", "is-system-running")
        return state in ("running", "degraded")
