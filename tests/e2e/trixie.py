"""Postfix 3.10 of Debian 13, in a folder that is made once and reused.

The folder is a root file system of its own; it is only read afterwards.  What
an instance writes is in the world's folder, which is mounted on /mnt inside.
"""

import fcntl
import os
import pathlib
import re
import shutil

from netns import RESOLV_FOLDER, run
from postfix import Sender

SUITE = "trixie"
SOURCES = pathlib.Path("/etc/apt")
BUILD_TIMEOUT = 600


def cache_folder():
    """STRICTMX_CACHE, or strictmx in the user's cache folder."""
    if "STRICTMX_CACHE" in os.environ:
        return pathlib.Path(os.environ["STRICTMX_CACHE"])
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return pathlib.Path(base) / "strictmx"


def root_folder():
    """The root file system; made when it is not there yet."""
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    root = cache / SUITE
    with open(cache / "lock", "w", encoding="ascii") as lock:
        # Of two runs one makes it and the other waits.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not root.exists():
            fresh = cache / f"{SUITE}.unfinished"
            shutil.rmtree(fresh, ignore_errors=True)
            _build(fresh)
            fresh.rename(root)
    return root


def _build(folder):
    argv = ["mmdebstrap", "--mode=root", "--variant=essential", "--include=postfix"]
    # A mirror that needs a proxy needs it here too.
    for scheme in ("http", "https"):
        key = f"Acquire::{scheme}::Proxy"
        shell = run(["apt-config", "shell", "PROXY", key]).stdout.strip()
        if shell:
            value = shell.partition("=")[2].strip("'")
            argv.append(f'--aptopt={key} "{value}"')
    argv += [SUITE, folder, mirror()]
    run(argv, timeout=BUILD_TIMEOUT, env={**os.environ, "LC_ALL": "C.UTF-8"})
    # Where the resolv.conf of a namespace is mounted.
    (folder / "etc" / "resolv.conf").touch()


def mirror():
    """The address this machine has Debian's packages from."""
    with open("/etc/os-release", encoding="utf-8") as release:
        codename = re.search(r"(?m)^VERSION_CODENAME=\"?([\w-]+)", release.read())[1]
    for address, suites, components in _sources():
        if codename in suites and "main" in components:
            return address
    raise RuntimeError(f"no source of Debian {codename} below {SOURCES}")


def _sources():
    """(address, suites, components) of everything apt knows."""
    files = [SOURCES / "sources.list", *sorted((SOURCES / "sources.list.d").iterdir())]
    for file in files:
        if not file.exists():
            continue
        text = file.read_text(encoding="utf-8")
        if file.suffix == ".list":
            line = re.compile(r"(?m)^deb\s+(?:\[[^]]*\]\s+)?(\S+)\s+(\S+)\s+(.*)$")
            for match in line.finditer(text):
                yield match[1], [match[2]], match[3].split()
        elif file.suffix == ".sources":
            for stanza in re.split(r"\n\s*\n", re.sub(r"(?m)^#.*\n?", "", text)):
                fields = dict(re.findall(r"(?m)^([\w-]+):\s*(.*)$", stanza))
                for address in fields.get("URIs", "").split():
                    suites = fields.get("Suites", "").split()
                    yield address, suites, fields.get("Components", "").split()


class TrixieSender(Sender):
    """A sender whose programs are those of Debian 13."""

    def __init__(self, world, name, port, policy_maps, **settings):
        self._root = root_folder()
        # What /etc/resolv.conf is inside.
        self.resolv = RESOLV_FOLDER / world.namespace.name / "resolv.conf"
        super().__init__(
            world.namespace,
            name,
            port,
            self.seen_from(world.namespace.folder, world.authority.root),
            policy_maps,
            settings=settings,
        )

    @staticmethod
    def seen_from(folder, path):
        """A path below the world's folder, as it is inside."""
        return pathlib.Path("/mnt") / pathlib.Path(path).relative_to(folder)

    def seen(self, path):
        """A path as this Postfix sees it."""
        return self.seen_from(self.namespace.folder, path)

    def command(self, *words):
        """The command inside the root folder.

        `ip netns exec` has made a mount namespace for it, so that the mounts
        end with the last process.
        """
        script = (
            'mount --bind "$1" "$3/mnt" && mount --bind "$2" "$3/etc/resolv.conf" '
            '&& mount -t proc proc "$3/proc" && root=$3 && shift 3 '
            '&& exec chroot "$root" "$@"'
        )
        outer = ["sh", "-c", script, "sh", self.namespace.folder, self.resolv, self._root]
        return [*outer, *super().command(*words)]

    def _own_folders(self):
        passwd = (self._root / "etc" / "passwd").read_text(encoding="utf-8")
        uid = int(re.search(r"(?m)^postfix:[^:]*:(\d+):", passwd)[1])
        shutil.chown(self.folder / "data", uid)
