"""What the tests of this folder know of the project: its tables, its programs'
own help, and its manual pages as a reader sees them."""

import ast
import os
import pathlib
import re
import subprocess
import sys

sys.dont_write_bytecode = True

ROOT = pathlib.Path(__file__).resolve().parents[2]

# A C string literal, or several with blanks between them.
_LITERALS = r'"(?:[^"\\]|\\.)*"(?:\s*"(?:[^"\\]|\\.)*")*'


def program(name):
    """Path of a built program."""
    return os.environ.get(name.upper()) or str(ROOT / "build" / name)


def run(*argv, **kwargs):
    """Run a command; returns it with its output as text, whatever its status."""
    environment = {**os.environ, "LC_ALL": "C.UTF-8", **kwargs.pop("env", {})}
    return subprocess.run(
        [str(word) for word in argv],
        stdin=kwargs.pop("stdin", subprocess.DEVNULL),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=60,
        env=environment,
        **kwargs,
    )


def table(text, macro):
    """The rows of a table such as config.def: lists of their arguments."""
    without_comments = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    argument = rf"\s*({_LITERALS}|\w+)\s*"
    rows = []
    for start in re.finditer(rf"\b{macro}\(", without_comments):
        at = start.end()
        row = []
        while True:
            match = re.compile(argument).match(without_comments, at)
            if not match:
                raise ValueError(f"{macro}: can't read {without_comments[at:][:60]!r}")
            row.append(_value(match[1]))
            at = match.end() + 1
            if without_comments[match.end()] == ")":
                break
        rows.append(row)
    return rows


def _value(literal):
    if not literal.startswith('"'):
        return literal
    parts = re.findall(r'"(?:[^"\\]|\\.)*"', literal)
    return "".join(ast.literal_eval(part) for part in parts)


def settings(text=None):
    """The rows of config.def as dictionaries."""
    if text is None:
        text = (ROOT / "src/app/config.def").read_text(encoding="utf-8")
    names = ("section", "name", "type", "default", "low", "high", "text")
    return [dict(zip(names, row, strict=True)) for row in table(text, "SMX_SETTING")]


def default(name, section=None):
    """The default of a setting; a list is one. Without a section, the first."""
    value = next(
        row["default"]
        for row in settings()
        if row["name"] == name and section in (None, row["section"])
    )
    if value.startswith("{"):
        return re.findall(r'"([^"]*)"', value)
    return value


def page(name):
    """A manual page as text: {section: lines}, a subsection as "Section/Sub"."""
    done = run(
        "man", "-E", "ascii", "-l", ROOT / "man" / name,
        env={"MANWIDTH": "1000", "MAN_KEEP_FORMATTING": "", "MANPAGER": "cat"},
    )
    if done.returncode != 0 or not done.stdout:
        raise RuntimeError(f"man {name}: {done.stderr}")
    sections = {}
    section = lines = None
    # The first and the last line are header and footer.
    for line in done.stdout.strip("\n").split("\n")[1:-1]:
        if re.match(r"\S", line):
            section = line.strip()
            lines = sections.setdefault(section, [])
        elif re.match(r" {3}\S", line):
            lines = sections.setdefault(f"{section}/{line.strip()}", [])
        elif lines is not None:
            lines.append(line)
    return sections


def items(lines):
    """The tagged items at the first level: [(tag, text)], the text is the first
    paragraph with single blanks."""
    # How far a section is indented depends on groff's version.
    base = min((len(li) - len(li.lstrip()) for li in lines if li.strip()), default=0)
    found = []
    for i, line in enumerate(lines):
        match = re.match(rf" {{{base}}}(\S.*)$", line)
        if not match:
            continue
        # A short tag has its text behind it.
        short = re.match(r"(\S{1,7}) {2,}(\S.*)$", match[1])
        if short:
            found.append((short[1], " ".join(short[2].split())))
        elif re.match(rf" {{{base + 8}}}\S", "".join(lines[i + 1 : i + 2])):
            found.append((match[1], " ".join(lines[i + 1].split())))
    return found


class Help:
    """What a program or subcommand says of itself with --help."""

    COMMON = {"--help", "--usage", "--version"}

    def __init__(self, *command):
        done = run(*command, "--help")
        if done.returncode != 0:
            raise RuntimeError(f"{command}: {done.stderr}")
        self.text = done.stdout

    def _heads(self):
        """The options of each line that has some, as argp writes them."""
        return re.findall(
            r"(?m)^ +((?:-\S(?: [A-Z]+)?, )?--[a-z-]+(?:=[^\s,]+)?(?:, --[a-z-]+(?:=[^\s,]+)?)*)",
            self.text,
        )

    @property
    def options(self):
        """As a manual page tags them: {"-t TYPE, --type=TYPE", "--csv", …}."""
        tags = set()
        for head in self._heads():
            words = head.split(", ")
            if words[-1] in self.COMMON:
                continue
            value = words[-1].partition("=")[2]
            if value and len(words[0]) == 2:
                words[0] += " " + value
            tags.add(", ".join(words))
        return tags

    @property
    def long_options(self):
        """{"--type", "--help", …}"""
        words = {word for head in self._heads() for word in head.split(", ")}
        return {word.partition("=")[0] for word in words if word.startswith("--")}

    @property
    def long_options_with_value(self):
        """{"--type", …}"""
        words = {word for head in self._heads() for word in head.split(", ")}
        return {word.partition("=")[0] for word in words if "=" in word}

    @property
    def usages(self):
        """The lines of the usage, alternatives as lines of their own."""
        lines = re.findall(r"(?m)^(?:Usage:|  or:) +(.*)$", self.text)
        usages = []
        for line in lines:
            line = line.replace("FILE|-", "FILE")
            match = re.fullmatch(r"(.* )([a-z]+(?:\|[a-z]+)+)", line)
            words = match[2].split("|") if match else [""]
            usages += [(match[1] if match else line) + word for word in words]
        return usages

    @property
    def statuses(self):
        """The exit statuses that it names."""
        text = " ".join(self.text.partition("Exit status:")[2].split())
        return set(re.findall(r"(?:^|, )(\d+) ", text))


def subcommands():
    """The subcommands of strictmx."""
    text = run(program("strictmx"), "--help").stdout
    return re.findall(r"(?m)^  ([a-z]+) {2,}\S", text)
