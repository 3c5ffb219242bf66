"""What the checks of scripts/lint share: the files of the tree, C source
without its comments, lists of exceptions that may only shrink, and a build to
look at. LINT_ROOT points a check at another tree (selftest does)."""

import concurrent.futures
import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(os.environ.get("LINT_ROOT") or Path(__file__).resolve().parents[2])
BUILD = Path(os.environ.get("LINT_BUILD") or ROOT / "build-lint")
JOBS = len(os.sched_getaffinity(0))
FLOORS = ("base", "core", "engine", "io", "app")


def files(*suffixes, under=()):
    """Paths relative to ROOT of all files that are or may be committed."""
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "-z", "-co", "--exclude-standard"],
        capture_output=True)
    if listed.returncode == 0 and (ROOT / ".git").exists():
        names = [n for n in listed.stdout.decode().split("\0") if n]
    else:
        names = [str(p.relative_to(ROOT)) for p in ROOT.rglob("*")]
    paths = []
    for name in sorted(set(names)):
        path = Path(name)
        if re.match(r"build(-|$)", name.split("/")[0]) or \
                ".git" in path.parts:
            continue
        if under and path.parts[0] not in under:
            continue
        if suffixes and path.suffix not in suffixes:
            continue
        if (ROOT / path).is_file() and not (ROOT / path).is_symlink():
            paths.append(path)
    return paths


def sources(*suffixes, under=("src",)):
    """C files; assets and other vendored things are not ours to judge."""
    return [p for p in files(*(suffixes or (".c", ".h")), under=under)
            if "assets" not in p.parts]


def read(path):
    return (ROOT / path).read_text(encoding="utf-8", errors="replace")


_TOKEN = re.compile(
    r'(?P<comment>//[^\n]*|/\*.*?\*/)'
    r'|(?P<string>"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\')', re.S)


def code(path, keep_strings=False):
    """The text of a C file, every comment (and what stands between quotes)
    blanked out, so that lines and columns stay as they are."""
    def blank(text):
        return re.sub(r"[^\n]", " ", text)

    def one(m):
        if m["comment"] is not None:
            return blank(m[0])
        if keep_strings:
            return m[0]
        return m[0][0] + blank(m[0][1:-1]) + m[0][-1]

    return _TOKEN.sub(one, read(path))


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


class Check:
    """Collects what is wrong. excused(key, n) asks the list of exceptions,
    scripts/lint/exceptions/NAME, whose lines are `KEY [NUMBER]  # why`."""

    def __init__(self, name):
        self.name = name
        self.wrong = []
        self.looked_at = 0
        self.list = Path("scripts/lint/exceptions") / name
        self.exceptions = {}
        if (ROOT / self.list).exists():
            for number, line in enumerate(read(self.list).splitlines(), 1):
                words = line.split("#")[0].split()
                if words:
                    value = int(words[1]) if len(words) > 1 else None
                    self.exceptions[words[0]] = [value, number, False]
                    if "#" not in line:
                        self.bad(self.list, number, "say why, behind a #")

    def bad(self, path, line, text):
        self.wrong.append(f"{path}:{line}: {text}")

    def excused(self, key, number=None):
        entry = self.exceptions.get(key)
        if entry is None:
            return False
        entry[2] = True
        if number is None or number == entry[0]:
            return True
        if number < entry[0]:
            self.bad(self.list, entry[1],
                     f"{key} is down to {number}: write that down")
            return True
        return False

    def finish(self, what="files"):
        for key, (_, line, used) in self.exceptions.items():
            if not used:
                self.bad(self.list, line,
                         f"{key} needs no exception any more: remove it")
        if self.looked_at == 0:
            self.wrong.append(f"{self.name}: found nothing to look at")
        for text in self.wrong:
            print(text)
        if self.wrong:
            sys.exit(f"{self.name}: {len(self.wrong)} wrong")
        print(f"{self.name}: {self.looked_at} {what}, nothing wrong")


def run(argv, **more):
    return subprocess.run([str(a) for a in argv], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          **more)


def _need(result, what):
    if result.returncode != 0:
        last = "\n".join(result.stdout.splitlines()[-20:])
        sys.exit(f"{last}\nlint: {what} failed")


def commands(under=("src",)):
    """The compile commands of our C files, from a build for lint."""
    if not (BUILD / "build.ninja").exists():
        _need(run(["meson", "setup", "--buildtype=debugoptimized",
                   "-Db_sanitize=none", BUILD, ROOT],
                  env=dict(os.environ, CC="gcc")), "meson setup")
    # A changed meson.build is taken over, and headers are generated.
    _need(run(["ninja", "-C", BUILD, "build.ninja"]), "meson")
    database = json.loads((BUILD / "compile_commands.json").read_text())
    found = {}
    for entry in database:
        path = (BUILD / entry["file"]).resolve()
        if not path.is_relative_to(ROOT.resolve()):
            continue
        path = path.relative_to(ROOT.resolve())
        if path.parts[0] in under:
            found.setdefault(path, entry)
    return found


def objects(under=("src",)):
    """Source path -> object file, built."""
    found = commands(under)
    _need(run(["ninja", "-C", BUILD] + [e["output"] for e in found.values()]),
          "the build")
    return {p: BUILD / e["output"] for p, e in found.items()}


# Options of gcc that clang 14 and its tools don't take.
_GCC_ONLY = re.compile(r"-fanalyzer|-ftrivial-auto-var-init=\S+")


def arguments(entry, drop_gcc_only=False):
    """The compiler's arguments without input, output and dependency files."""
    import shlex
    words = shlex.split(entry["command"])[1:]
    kept = []
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word in ("-o", "-MF", "-MQ", "-MT", "-c"):
            skip = word != "-c"
        elif word in ("-MD", "-MMD") or word == entry["file"]:
            pass
        elif not (drop_gcc_only and _GCC_ONLY.fullmatch(word)):
            kept.append(word)
    return kept


def each(found, look, cache=None):
    """Call look(path, entry) -> (ok, output) for all, in parallel. With
    `cache` (a text naming tool and options), what was clean and has not
    changed since, headers included, is not looked at again."""
    def one(item):
        path, entry = item
        stamp = None
        if cache is not None:
            text = run(["gcc", "-E", "-P"] + arguments(entry) + [entry["file"]],
                       cwd=BUILD)
            raw = (ROOT / path).read_bytes()
            digest = hashlib.sha256(
                "\0".join([cache, str(path), text.stdout]).encode() + raw)
            stamp = BUILD / "lint-clean" / digest.hexdigest()
            if stamp.exists():
                return path, True, ""
        ok, output = look(path, entry)
        if ok and stamp is not None:
            stamp.parent.mkdir(exist_ok=True)
            stamp.touch()
        return path, ok, output

    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        return list(pool.map(one, sorted(found.items())))
