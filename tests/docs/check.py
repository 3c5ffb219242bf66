"""docs/check.md: every finding of `strictmx check` with its severity, every
verdict, limit, JSON member and CSV column, and none that does not exist."""

import json
import re
import tempfile
import unittest

import loopback
import project
from project import ROOT, Help, program

PAGE = ROOT / "docs/check.md"
DIAG = ROOT / "src/core/diag.def"

# Where findings are raised that the daemon alone has.
DAEMON_ONLY = {"lookup.c", "fetch.c", "refresh.c", "cache.c"}
# Those about TLS reports are in docs/reports.md; reports.py looks there.
OF_REPORTS = "core/tlsrpt_read*.c"

# The rows of "What is bounded", and the constants that they tell.
LIMITS = {
    "MX hosts": "SMX_CHECK_MX_MAX",
    "addresses of a host": "SMX_CHECK_ADDRESS_MAX",
    "addresses of all MX hosts together": "SMX_CHECK_SESSION_MAX",
    "places of rua that are tried": "SMX_CHECK_RUA_MAX",
    "findings of a domain": "SMX_CHECK_FINDING_MAX",
    "memory for a domain": "SMX_CHECK_ARENA_MAX",
    "octets of a TXT record": "SMX_TXT_MAX",
    "TXT records in an answer": "SMX_TXT_COUNT_MAX",
    "MX records in an answer": "SMX_DNS_MX_MAX",
    "TLSA records in an answer": "SMX_DNS_TLSA_MAX",
    "octets of a policy": "SMX_STS_BODY_MAX",
    "octets of HTTP headers": "SMX_HTTP_HEADERS_MAX",
    "octets of an SMTP line": "SMX_SMTP_LINE_MAX",
    "lines of an SMTP reply": "SMX_SMTP_REPLY_LINES_MAX",
    "octets of an SMTP reply": "SMX_SMTP_REPLY_MAX",
    "names of a certificate that are kept": "SMX_CERTIFICATE_NAMES_MAX",
    "seconds for a DNS look-up": "SMX_DNS_DEADLINE",
}

KINDS = {
    str: "string",
    bool: "boolean",
    int: "number",
    list: "array",
    dict: "object",
    type(None): "null",
}


def source(path):
    """A file below src/ as text."""
    return (ROOT / "src" / path).read_text(encoding="utf-8")


def parts(text, marks):
    """{title: what stands below a heading with so many marks}"""
    heads = list(re.finditer(rf"(?m)^{marks} (.*)$", text))
    ends = [head.start() for head in heads[1:]] + [len(text)]
    return {head[1]: text[head.end() : end] for head, end in zip(heads, ends)}


def page():
    """{heading: text} of docs/check.md."""
    return parts(PAGE.read_text(encoding="utf-8"), "##")


def table(text):
    """The rows of the table in a text, without its head; the code marks around
    the first cell are left out."""
    lines = re.findall(r"(?m)^\| (.*) \|$", text)
    rows = [line.split(" | ") for line in lines]
    return [[row[0].strip("`"), *row[1:]] for row in rows[1:]]


def sections():
    """{code: (section, severity)} of what check can raise, as the sources have
    it: what no file but the daemon's own, or that of reports, raises is left
    out."""
    raised = set()
    reports = set((ROOT / "src").glob(OF_REPORTS))
    for path in set((ROOT / "src").rglob("*.c")) - reports:
        if path.name not in DAEMON_ONLY and path.parts[-2] != "strictmxd":
            text = path.read_text(encoding="utf-8")
            raised |= set(re.findall(r"\bSMX_DIAG_(\w+)", text))
    starts = dict(
        re.findall(
            r"\{ SMX_DIAG_(\w+), SMX_CHECK_(\w+) \}", source("engine/check_judge.c")
        )
    )
    found = {}
    section = None
    for row in project.table(DIAG.read_text(encoding="utf-8"), "SMX_DIAG_ROW"):
        constant, code, severity = row[:3]
        section = starts.get(constant, section)
        if constant in raised:
            found[code] = (section.lower(), severity.lower())
    return found


def told(text):
    """The same as docs/check.md has it, every row: [(code, (section,
    severity))]."""
    return [
        (row[0], (section, row[1]))
        for section, part in parts(text, "###").items()
        for row in table(part)
    ]


def differences(known, rows):
    """What is wrong with the tables of findings, as sentences."""
    there = dict(rows)
    codes = [code for code, _ in rows]
    found = [f"{code}: missing" for code in known if code not in there]
    found += [f"{code}: can't be raised" for code in there if code not in known]
    found += [f"{code}: twice" for code in there if codes.count(code) > 1]
    for code in known.keys() & there.keys():
        if known[code] != there[code]:
            found.append(f"{code}: is {known[code]}, not {there[code]}")
    return found


class Findings(unittest.TestCase):
    """The tables of findings, and core/diag.def."""

    maxDiff = None

    def test_tables_are_what_can_be_raised(self):
        known = sections()
        self.assertGreater(len(known), 150)
        self.assertEqual(differences(known, told(page()["The findings"])), [])

    def test_a_difference_is_seen(self):
        """A code more, less, twice, of another severity, in another section."""
        known = sections()
        rows = told(page()["The findings"])
        self.assertTrue(differences(known, rows[1:]))
        self.assertTrue(differences(known, [*rows, rows[0]]))
        self.assertTrue(differences(known, [*rows, ("no-such", ("mx", "info"))]))
        for changed in (("change", rows[0][1][1]), (rows[0][1][0], "info")):
            self.assertTrue(differences(known, [(rows[0][0], changed), *rows[1:]]))

    def test_rows_are_whole(self):
        for part in parts(page()["The findings"], "###").values():
            for row in table(part):
                self.assertEqual(len(row), 4, row)
                self.assertTrue(row[2] and row[3], row)

    def test_codes_in_the_text_exist(self):
        """What looks like a code is one, in README.md too."""
        known = {
            row[1]
            for row in project.table(DIAG.read_text(encoding="utf-8"), "SMX_DIAG_ROW")
        }
        words = {code.split("-")[0] for code in known}
        for path in (PAGE, ROOT / "README.md"):
            text = path.read_text(encoding="utf-8")
            named = set(re.findall(r"[`\[]([a-z]+(?:-[a-z]+)+)[`,\]]", text))
            looks = {code for code in named if code.split("-")[0] in words}
            self.assertEqual(looks - known, set(), path.name)
            self.assertTrue(looks, path.name)


def verdicts():
    """The names of the verdicts."""
    body = source("engine/check_verdict.c").partition("verdict_name(")[2]
    return re.findall(r'\[SMX_CHECK_\w+\] = "([\w-]+)"', body)


class Verdicts(unittest.TestCase):
    """The tables of verdicts and exit statuses."""

    def test_verdicts(self):
        rows = table(page()["The verdicts"])
        self.assertEqual({row[0] for row in rows}, set(verdicts()))
        self.assertTrue(all(len(row) == 3 for row in rows))

    def test_the_order_has_all(self):
        text = page()["The verdicts"].partition("The first that fits")[2]
        order = re.findall(r"`([\w-]+)`", text)[: len(verdicts())]
        self.assertEqual(sorted(order), sorted(verdicts()))

    def test_statuses(self):
        """130 is the shell's word for an interruption, and not in --help."""
        rows = {row[0] for row in table(page()["The exit status"])}
        shown = Help(program("strictmx"), "check").statuses
        self.assertEqual(rows, shown | {"130"})


def constants():
    """{name: value} of the macros in src/, as the page would write them."""
    found = {}
    for path in sorted((ROOT / "src").rglob("*.[ch]")):
        text = path.read_text(encoding="utf-8")
        found |= dict(re.findall(r"(?m)^#define (\w+) +(.*?)(?: */\*.*)?$", text))
    values = {name: found.get(value, value) for name, value in found.items()}
    for name, value in values.items():
        value = re.sub(r"\(\(size_t\)(\d+) << 20\)", r"\1 MiB", value)
        values[name] = re.sub(r"\((\d+) \* SMX_SECOND\)", r"\1", value)
    return values


class Limits(unittest.TestCase):
    """The table of limits, and the constants."""

    maxDiff = None

    def test_limits(self):
        there = {row[0]: row[1] for row in table(page()["What is bounded"])}
        known = constants()
        wanted = {name: known[constant] for name, constant in LIMITS.items()}
        self.assertEqual(there, wanted)

    def test_other_numbers(self):
        text = " ".join(PAGE.read_text(encoding="utf-8").split())
        known = constants()
        for sentence, *names in (
            (
                "{} SMTP sessions and {} fetches",
                "SESSIONS_PER_ADDRESS",
                "SMX_CHECK_FETCHES_PER_ADDRESS",
            ),
            ("after {} such addresses", "UNREACHED_MAX"),
            ("| the first {} of them |", "NAMES_MAX"),
            ("in all, {} SMTP sessions", "SESSIONS_MAX"),
            ("The last {} answers", "SMX_CHECK_SESSIONS_MAX"),
            ("the {} that are tried", "SMX_CHECK_RUA_MAX"),
            ("there are, {} at the most", "SMX_CHECK_MX_MAX"),
        ):
            values = (known[name] for name in names)
            self.assertIn(sentence.format(*values), text)
        factors = re.findall(
            r"\.(\w+)_timeout = (\d+) \* settings->timeout",
            source("app/strictmx/check_run.c"),
        )
        self.assertEqual([what for what, _ in factors], ["reply", "session"])
        for _, factor in factors:
            self.assertIn(f" {factor} times as long", text)


def members(value, path=""):
    """[(path, kind)] of everything within a value; a certificate is the same
    wherever it stands."""
    if path.endswith(".certificate"):
        yield path, KINDS[type(value)]
        path = "certificate"
    elif path and not (path.endswith("[]") and isinstance(value, dict)):
        yield path, KINDS[type(value)]
    if isinstance(value, dict):
        for name, part in value.items():
            yield from members(part, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for part in value:
            yield from members(part, f"{path}[]")


class Output(unittest.TestCase):
    """What is printed about three domains on this machine."""

    maxDiff = None

    @classmethod
    def setUpClass(cls):
        names = (loopback.SOUND, loopback.BROKEN, "nowhere.example")
        with tempfile.TemporaryDirectory() as folder:
            with loopback.Loopback(folder) as world:
                cls.json = world.check("--json", *names)
                cls.csv = world.check("--csv", *names)
                cls.apart = world.check("--json", "--no-smtp", loopback.SOUND)

    def test_the_world_is_as_it_should_be(self):
        sound, broken, nowhere = map(json.loads, self.json.stdout.splitlines())
        self.assertEqual(self.json.returncode, 2, self.json.stderr)
        self.assertEqual(
            (sound["verdict"], broken["verdict"], nowhere["verdict"]),
            ("testing", "broken", "no-mail"),
        )

    def test_json_members(self):
        """Every member has its row and type, every row has been printed."""
        rows = {row[0]: row[1].split(" or ") for row in table(page()["JSON"])}
        lines = self.json.stdout + self.apart.stdout
        printed = [m for line in lines.splitlines() for m in members(json.loads(line))]
        self.assertEqual(set(rows), {path for path, _ in printed})
        for path, kind in printed:
            self.assertIn(kind, rows[path], path)

    def test_json_words(self):
        """Sets of words that the page names."""
        text = page()["JSON"]
        known = {section for section, _ in sections().values()}
        row = next(r for r in table(text) if r[0] == "findings[].section")
        self.assertEqual(set(re.findall(r"`(\w+)`", row[2])), known)
        names = re.findall(
            r'\[SMX_DNS_\w+\] = "(\w+)"', source("app/strictmx/out_check_json.c")
        )
        row = next(r for r in table(text) if r[0] == "record.dns")
        self.assertEqual(re.findall(r"`(\w+)`", row[2]), names)

    def test_manual(self):
        """What strictmx(1) names of the JSON is printed."""
        items = project.items(project.page("strictmx.1")["SUBCOMMANDS/check"])
        named = {tag.strip('"') for tag, _ in items if tag.startswith('"')}
        printed = set(json.loads(self.json.stdout.splitlines()[0]))
        self.assertEqual(named, printed)

    def test_csv_columns(self):
        head, *lines = self.csv.stdout.splitlines()
        self.assertEqual(head.split(","), [row[0] for row in table(page()["CSV"])])
        self.assertEqual(len(lines), 3)
        for line in lines:
            self.assertEqual(line.count(","), head.count(","))
            self.assertNotIn('"', line)


if __name__ == "__main__":
    unittest.main()
