"""The manual pages say what the programs do: every setting, option, exit
status, counter and JSON member, and none that does not exist."""

import datetime
import json
import pathlib
import project
import re
import socket
import sqlite3
import subprocess
import tempfile
import threading
import time
import unittest
from project import ROOT, Help, program, run

PAGES = ("strictmx.1", "strictmxd.8", "strictmx.conf.5")

KINDS = {
    "TEXT": "text",
    "LIST": "list",
    "SWITCH": "switch",
    "SPAN": "time",
    "COUNT": "number",
}

RECORD = b"v=STSv1; id=20260101T000000; later=1;"
TLSRPT = b"v=TLSRPTv1; rua=mailto:a%2Bb@example.com,https://r.example:8443/v1"
POLICY = (
    b"version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\n"
    b"mx: *.example.net\r\nmax_age: 604800\r\nlater: 1\r\n"
)
REPLY = (
    "OK secure match=mail.example.com:.example.net servername=hostname "
    "policy_type=sts policy_domain=example.com mx_host_pattern=mail.example.com "
    "mx_host_pattern=*.example.net { policy_string = version: STSv1 }"
)


def expected_item(row):
    """The tag that a setting must have."""
    bounds = value = row["default"]
    if row["type"] == "LIST":
        value = f"{{ {value.strip('{}')} }}".replace("{  }", "{ }")
    elif row["type"] in ("TEXT", "SPAN"):
        value = f'"{value}"'
    if row["type"] == "TEXT":
        *first, last = row["low"].split("|")
        bounds = f"{', '.join(first)} or {last}" if first else last
    elif row["type"] == "SPAN":
        bounds = f'"{row["low"]}" to "{row["high"]}"'
    elif row["type"] == "COUNT":
        bounds = f"{row['low']} to {row['high']}"
    else:
        bounds = ""
    middle = f"{bounds}; " if bounds else ""
    return f"{row['name']} ({KINDS[row['type']]}; {middle}default {value})"


def differences(rows, page):
    """What strictmx.conf(5) has wrong, as sentences."""
    found = []
    for title, section in (
        ("SETTINGS OUTSIDE OF SECTIONS", "top"),
        ("SETTINGS IN resolve { }", "resolve"),
        ("SETTINGS IN collect { }", "collect"),
        ("SETTINGS IN report { }", "report"),
    ):
        mine = [row for row in rows if row["section"] == section]
        wanted = [(expected_item(row), row["text"]) for row in mine]
        there = project.items(page.get(title, []))
        found += [f"{title}: missing: {item}" for item in wanted if item not in there]
        found += [f"{title}: too much: {item}" for item in there if item not in wanted]
        if not found and wanted != there:
            found.append(f"{title}: not in the order of config.def")
    unknown = {row["section"] for row in rows} - {"top", "resolve", "collect", "report"}
    return found + [f"no heading for section {name}" for name in sorted(unknown)]


class Settings(unittest.TestCase):
    """strictmx.conf(5) and config.def."""

    maxDiff = None

    def test_page_is_the_table(self):
        self.assertEqual(
            differences(project.settings(), project.page("strictmx.conf.5")), []
        )

    def test_a_difference_is_seen(self):
        """One row changed in any column, left out, or added."""
        page = project.page("strictmx.conf.5")
        for i, row in enumerate(project.settings()):
            for column in ("name", "default", "text"):
                rows = project.settings()
                rows[i][column] = "other"
                self.assertTrue(differences(rows, page), f"{row['name']}: {column}")
            if row["low"]:
                rows = project.settings()
                rows[i]["low"] = "2s"
                self.assertTrue(differences(rows, page), f"{row['name']}: low")
            rows = project.settings()
            del rows[i]
            self.assertTrue(differences(rows, page), f"{row['name']}: left out")

    def test_the_program_agrees(self):
        """The table was read as the compiler reads it."""
        done = run(program("strictmx"), "config", "show", "--json", "-c", "/dev/null")
        shown = [(row["section"], row["name"]) for row in json.loads(done.stdout)]
        rows = [(row["section"], row["name"]) for row in project.settings()]
        self.assertEqual(shown, rows)

    def test_show_can_be_read(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "shown.conf"
            done = run(program("strictmx"), "config", "show", "-c", "/dev/null")
            path.write_text(done.stdout, encoding="utf-8")
            done = run(program("strictmx"), "config", "check", "-c", path)
            self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_examples_are_valid(self):
        examples = re.findall(
            r"(?ms)^\.Bd -literal[^\n]*\n(.*?)^\.Ed",
            (ROOT / "man/strictmx.conf.5").read_text(encoding="utf-8"),
        )
        self.assertTrue(examples)
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "example.conf"
            key = pathlib.Path(folder) / "key.pem"
            run("openssl", "genpkey", "-quiet", "-algorithm", "ED25519", "-out", key)
            for example in examples:
                example = re.sub(r"/etc/\S*\.pem", str(key), example)
                path.write_text(example, encoding="utf-8")
                done = run(program("strictmx"), "config", "check", "-c", path)
                self.assertEqual((done.returncode, done.stderr), (0, ""), example)


class Options(unittest.TestCase):
    """strictmx(1), strictmxd(8) and --help."""

    maxDiff = None

    def test_subcommands(self):
        page = project.page("strictmx.1")
        there = {t.partition("/")[2] for t in page if t.startswith("SUBCOMMANDS/")}
        self.assertEqual(there, set(project.subcommands()))

    def test_options_of_subcommands(self):
        page = project.page("strictmx.1")
        for name in project.subcommands():
            with self.subTest(name):
                lines = page[f"SUBCOMMANDS/{name}"]
                tags = {tag for tag, _ in project.items(lines) if tag.startswith("-")}
                self.assertEqual(tags, Help(program("strictmx"), name).options)

    def test_usage_and_statuses_of_subcommands(self):
        page = project.page("strictmx.1")
        for name in project.subcommands():
            with self.subTest(name):
                lines = page[f"SUBCOMMANDS/{name}"]
                shown = Help(program("strictmx"), name)
                usages = [line.strip() for line in lines if line.strip()]
                self.assertEqual(usages[: len(shown.usages)], shown.usages)
                statuses = {tag for tag, _ in project.items(lines) if tag.isdigit()}
                self.assertEqual(statuses, shown.statuses)
                self.assertTrue(statuses)

    def test_common_options(self):
        text = "\n".join(project.page("strictmx.1")["DESCRIPTION"])
        for long in Help(program("strictmx")).long_options | Help.COMMON:
            self.assertRegex(text, rf"{long}\b")
        for name in project.subcommands():
            shown = Help(program("strictmx"), name)
            self.assertLessEqual(Help.COMMON, shown.long_options, name)

    def test_daemon(self):
        page = project.page("strictmxd.8")
        shown = Help(program("strictmxd"))
        tags = {tag for tag, _ in project.items(page["DESCRIPTION"])}
        tags = {tag for tag in tags if tag.startswith("-")}
        common = {"-?, --help", "--usage", "-V, --version"}
        self.assertEqual(tags, shown.options | common)
        statuses = {tag for tag, _ in project.items(page["EXIT STATUS"])}
        self.assertEqual(statuses, shown.statuses)
        refused = run(program("strictmxd"), "nonsense")
        self.assertEqual(refused.returncode, 64)
        roles = re.search(r"the roles are: (.*)", refused.stderr)[1].split(", ")
        told = [tag for tag, _ in project.items(page["DESCRIPTION"])]
        self.assertEqual([tag for tag in told if tag in roles], roles)

    def test_counters(self):
        text = (ROOT / "src/app/metrics.def").read_text(encoding="utf-8")
        rows = [tuple(row) for row in project.table(text, "SMX_METRIC")]
        there = project.items(project.page("strictmxd.8")["LOG/Counters"])
        self.assertEqual(there, rows)


REPORT = b"""{"organization-name":"x","policies":[{"policy":{"policy-type":"sts"},
"summary":{},"failure-details":[{"result-type":"x"}]}]}"""


DATAGRAM = b"""{"d":"example.com","pr":"v=TLSRPTv1;rua=mailto:a@example.com",
"policies":[{"policy-type":9,"f":0}]}"""


class Json(unittest.TestCase):
    """What strictmx prints as JSON has the members that its page names."""

    maxDiff = None

    def check(self, name, *objects):
        """Compare the members of all objects with a subcommand's section."""
        lines = project.page("strictmx.1")[f"SUBCOMMANDS/{name}"]
        tagged = {tag.strip('"') for tag, _ in project.items(lines) if tag[0] == '"'}
        named = set(re.findall(r'"(\w+)"', "\n".join(lines)))
        printed = set()
        for thing in objects:
            printed |= members(thing)
        # The page leaves names with a hyphen to RFC 8460.
        printed = {name for name in printed if "-" not in name}
        self.assertTrue(printed)
        self.assertLessEqual(tagged, printed, "the page has more than is printed")
        self.assertLessEqual(printed, named, "more is printed than the page has")

    def inspect(self, data, *options):
        """The object that inspect prints for some bytes."""
        with tempfile.TemporaryFile() as file:
            file.write(data)
            file.seek(0)
            done = run(
                program("strictmx"), "inspect", "--json", *options, "-", stdin=file
            )
        return json.loads(done.stdout)

    def test_inspect(self):
        policy = self.inspect(POLICY, "--mx=mail.example.com")
        self.assertEqual(
            (policy["type"], policy["valid"], policy["match"]), ("policy", True, True)
        )
        self.assertEqual(policy["policy"]["mx"], ["mail.example.com", "*.example.net"])
        record = self.inspect(RECORD)
        self.assertEqual(record["record"]["id"], "20260101T000000")
        tlsrpt = self.inspect(TLSRPT)
        self.assertEqual(tlsrpt["type"], "tlsrpt-record")
        mail, https = tlsrpt["tlsrpt"]["rua"]
        self.assertEqual(mail["address"], "a+b@example.com")
        self.assertEqual((https["host"], https["port"]), ("r.example", 8443))
        asked = self.inspect(b"v=STSv1; id=1", "--type=tlsrpt-record")
        self.assertEqual(asked["findings"][0]["code"], "tlsrpt-version")
        bad = self.inspect(b"version: STSv1\n" + b"\n" * 200)
        self.assertNotIn("policy", bad)
        report = self.inspect(REPORT)
        self.assertEqual(report["type"], "report")
        self.assertEqual(report["report"]["organization_name"], "x")
        report["report"]["finding_counts"] = {}
        event = self.inspect(DATAGRAM)
        self.assertEqual(event["event"]["policies"][0]["session"], "success")
        worse = self.inspect(b'{"dpv":"2"}')
        self.assertEqual((worse["type"], worse["valid"]), ("datagram", False))
        self.check("inspect", policy, record, tlsrpt, report, bad, event, worse)

    def test_query(self):
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/socket"
            with Answering(path, [REPLY, "TEMP a reason"]):
                done = run(
                    program("strictmx"), "query", "--json", f"--server=unix:{path}",
                    "example.com", "example.net",
                )
        first, second = map(json.loads, done.stdout.splitlines())
        self.assertEqual(done.returncode, 1, done.stderr)
        match = first["attributes"]["match"]
        self.assertEqual(match, ["mail.example.com", ".example.net"])
        self.assertEqual(second["reason"], "a reason")
        self.check("query", first, second)

    def test_cache(self):
        now = datetime.datetime.now(datetime.timezone.utc)
        line = {
            "domain": "example.com",
            "id": "1",
            "fetched_at": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "policy": POLICY.decode(),
        }
        with tempfile.TemporaryDirectory() as folder:
            config = pathlib.Path(folder) / "strictmx.conf"
            config.write_text(f'store = "sqlite:{folder}/store.db"\n', encoding="utf-8")
            source = pathlib.Path(folder) / "policies"
            source.write_text(json.dumps(line) + "\n", encoding="utf-8")
            done = run(program("strictmx"), "-c", config, "cache", "import", source)
            self.assertEqual(done.returncode, 0, done.stderr)
            done = run(program("strictmx"), "-c", config, "cache", "export", "-")
        self.assertEqual(json.loads(done.stdout), line)
        self.check("cache", line)

    def test_report(self):
        """A store as role collect leaves it, with every state."""
        with tempfile.TemporaryDirectory() as folder:
            config = pathlib.Path(folder) / "strictmx.conf"
            config.write_text(
                f'reports = "sqlite:{folder}/reports.db"\n'
                f'collect {{ listen = {{ "unix:{folder}/socket" }} }}\n',
                encoding="utf-8",
            )
            collect = subprocess.Popen(
                [program("strictmxd"), "-c", config], stderr=subprocess.DEVNULL
            )
            while not pathlib.Path(f"{folder}/socket").exists():
                self.assertIsNone(collect.poll())
                time.sleep(0.01)
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.sendto(DATAGRAM, f"{folder}/socket")
            collect.terminate()
            self.assertEqual(collect.wait(), 0)
            with sqlite3.connect(f"{folder}/reports.db") as store:
                for state in (0, 1):
                    store.execute(
                        "INSERT INTO delivery VALUES (1, ?, ?, 1, 0, 0, 0, 'x')",
                        (f"mailto:{state}@example.com", state),
                    )
                store.execute("UPDATE domain_day SET report_id = 'x'")
            store.close()
            done = run(program("strictmx"), "-c", config, "report", "list", "--json")
            one = run(
                program("strictmx"), "-c", config, "report", "show", "--json",
                "example.com",
            )
        shown = json.loads(done.stdout)
        one = json.loads(one.stdout)
        self.assertEqual(one["format"], 1)
        # What inspect has under this name stands there.
        one["report"] = {}
        self.assertEqual(shown["format"], 1)
        states = [row["state"] for row in shown["reports"]]
        self.assertEqual(states, ["waiting", "delivered"])
        self.check("report", shown, one)

    def test_config(self):
        done = run(program("strictmx"), "config", "show", "--json", "-c", "/dev/null")
        self.check("config", json.loads(done.stdout))


def members(thing):
    """The names of all members of all objects in it."""
    if isinstance(thing, dict):
        return set(thing).union(*(members(value) for value in thing.values()))
    if isinstance(thing, list):
        return set().union(*(members(value) for value in thing))
    return set()


class Answering:
    """A socketmap server that gives these replies to one client, in order."""

    def __init__(self, path, replies):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(30)
        self._socket.bind(path)
        self._socket.listen()
        self._replies = replies
        self._thread = threading.Thread(target=self._serve)

    def _serve(self):
        client, _ = self._socket.accept()
        with client:
            for reply in self._replies:
                client.recv(65536)
                client.sendall(b"%d:%s," % (len(reply), reply.encode()))

    def __enter__(self):
        self._thread.start()

    def __exit__(self, *_):
        self._thread.join(timeout=30)
        self._socket.close()


class Form(unittest.TestCase):
    """The pages themselves."""

    def test_no_warnings(self):
        for name in PAGES:
            done = run(
                "man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z",
                ROOT / "man" / name,
            )
            self.assertEqual((done.returncode, done.stderr), (0, ""), name)

    def test_all_pages_are_known_here(self):
        there = {p.name for p in (ROOT / "man").iterdir() if p.suffix[1:].isdigit()}
        self.assertEqual(there, set(PAGES))


if __name__ == "__main__":
    unittest.main()
