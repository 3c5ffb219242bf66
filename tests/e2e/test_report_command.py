"""strictmx report, beside a running role collect; strictmx inspect of what MTAs
write to it."""

import datetime
import gzip
import json
import pathlib
import socket
import sqlite3
import subprocess
import tempfile

import pytest

from daemon import environment, program
from netns import wait_until

RECORD = "v=TLSRPTv1; rua=mailto:reports@{0}, https://reports.example/in"
EXPIRED = {"c": 204, "n": "mx.bad.example", "r": "192.0.2.7", "f": "expired\x1b[31m"}
TODAY = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d")


def datagram(domain, *failures):
    """One session with a domain."""
    policy = {"policy-type": 2, "policy-string": ["mode: enforce"]}
    policy.update({"mx-host": ["mx.bad.example"], "f": int(any(failures))})
    if failures:
        policy["failure-details"] = list(failures)
    record = RECORD.format(domain)
    return json.dumps({"d": domain, "pr": record, "policies": [policy]})


def run(*words, **how):
    """strictmx; text."""
    return subprocess.run(
        [program("strictmx"), *words],
        capture_output=True,
        encoding="utf-8",
        env=environment(),
        check=False,
        **how,
    )


class Store:
    """A store of reports that role collect has written to."""

    def __init__(self, folder):
        self.path = folder / "reports.db"
        self.config = folder / "strictmx.conf"
        sock = folder / "socket"
        self.config.write_text(
            f'reports = "sqlite:{self.path}"\n'
            f'collect {{ listen = {{ "unix:{sock}" }} }}\n'
            'report { contact = "tls@sender.example" organization = "Sender" }\n',
            encoding="utf-8",
        )
        self.child = subprocess.Popen(
            [program("strictmxd"), "-c", self.config, "collect"],
            stderr=subprocess.PIPE,
            env=environment(),
        )
        wait_until(sock.exists, 10, "the socket")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            for text in (
                datagram("good.example"),
                datagram("good.example"),
                datagram("bad.example", EXPIRED),
            ):
                sender.sendto(text.encode(), str(sock))
        wait_until(lambda: "bad.example" in self.run("list").stdout, 10, "a flush")

    def run(self, *words):
        """strictmx report; text."""
        return run("-c", self.config, "report", *words)

    def change(self, statement):
        """What role report would do."""
        with sqlite3.connect(self.path) as connection:
            connection.execute(statement)
        connection.close()

    def stop(self):
        """It has to end well."""
        self.child.terminate()
        _, log = self.child.communicate(timeout=20)
        assert self.child.returncode == 0, log
        assert b"Sanitizer" not in log


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """The store of all tests, which look only."""
    made = Store(tmp_path_factory.mktemp("report"))
    yield made
    made.stop()


def test_list_of_today(store):
    """Two domains are being counted."""
    done = store.run("list")
    assert done.returncode == 0
    head, bad, good = done.stdout.splitlines()
    assert head.split()[:5] == ["DAY", "DOMAIN", "OK", "FAILED", "STATE"]
    assert bad.split() == [TODAY, "bad.example", "0", "1", "counting"]
    assert good.split() == [TODAY, "good.example", "2", "0", "counting"]
    named = store.run("list", "good.example", "bad.example").stdout.splitlines()
    assert [line.split()[1] for line in named[1:]] == ["good.example", "bad.example"]


def test_preview(store):
    """Each domain with the places that its record names."""
    head, *rows = store.run("preview").stdout.splitlines()
    assert head.split()[-2:] == ["TO", "DETAIL"]
    there = {(row.split()[1], row.split()[4], row.split()[-1]) for row in rows}
    assert there == {
        (domain, "counting", place)
        for domain in ("bad.example", "good.example")
        for place in (f"mailto:reports@{domain}", "https://reports.example/in")
    }
    (first, _) = json.loads(store.run("preview", "--json", "--day", TODAY).stdout)[
        "reports"
    ][:2]
    assert first["state"] == "counting" and first["next"] > first["day"]


def test_preview_of_a_domain(store):
    """The report as it would be sent; it has no id yet."""
    done = store.run("preview", "bad.example")
    report = json.loads(done.stdout)
    assert report["report-id"] == "not assigned yet"
    assert report == {
        **json.loads(store.run("export", "bad.example").stdout),
        "report-id": "not assigned yet",
    }
    assert "\x1b" not in done.stdout


EXCLUDED = (None, "left out by the setting exclude")
NO_FAILURE = (None, "no failure, and the setting only_failures")
DRY = "dry run: it will not be sent"


@pytest.mark.parametrize(
    "settings, bad, good",
    [
        ('exclude = { ".example" }', [EXCLUDED], [EXCLUDED]),
        ('exclude = { "bad.example" } only_failures = true', [EXCLUDED], [NO_FAILURE]),
        ('copy_to = "/copies" only_failures = true', ["file:/copies"], [NO_FAILURE]),
        ('copy_to = "/copies" dry_run = true', ["file:/copies", DRY], [DRY]),
        ('copy_mail = "us@sender.example"', ["mailto:us@sender.example"], []),
    ],
)
def test_preview_knows_the_settings(store, tmp_path, settings, bad, good):
    """Who is left out, and where copies go, is what role report would do."""
    config = tmp_path / "strictmx.conf"
    text = store.config.read_text(encoding="utf-8")
    config.write_text(text.replace("report {", f"report {{ {settings} "), "utf-8")
    done = run("-c", config, "report", "preview", "--json")
    for domain, expected in (("bad.example", bad), ("good.example", good)):
        rows = [r for r in json.loads(done.stdout)["reports"] if r["domain"] == domain]
        there = [(r.get("to"), r.get("detail")) for r in rows]
        if EXCLUDED in expected or NO_FAILURE in expected:
            assert there == expected
        else:
            assert set(expected) <= {part for pair in there for part in pair}
        # Copies are written all the same.
        assert ("file:/copies", DRY) not in there


def test_json(store):
    """The same for scripts."""
    shown = json.loads(store.run("list", "--json", "good.example").stdout)
    (row,) = shown["reports"]
    assert (shown["format"], row["successful"], row["failed"]) == (1, 2, 0)
    assert row["record"] == RECORD.format("good.example")


def test_show(store):
    """What is wrong, with nothing in it that steers a terminal."""
    done = store.run("show", "bad.example")
    assert done.returncode == 0
    assert "certificate-expired at mx.bad.example [192.0.2.7]" in done.stdout
    assert "report-id not assigned yet" in done.stdout
    assert "-> mailto:reports@bad.example: to be sent at " in done.stdout
    assert "\x1b" not in done.stdout
    shown = json.loads(store.run("show", "bad.example", "--json").stdout)
    assert (shown["format"], shown["day"], shown["domain"]) == (1, TODAY, "bad.example")
    assert [d["state"] for d in shown["deliveries"]] == ["counting", "counting"]
    assert shown["report"]["report_id"] is None and "report_id" not in shown
    assert shown["report"]["total_failure_session_count"] == 1


def test_export_is_what_inspect_reads(store, tmp_path):
    """JSON, plain and compressed, that our own reader has nothing against but
    that its id is not given yet."""
    plain = store.run("export", "bad.example")
    report = json.loads(plain.stdout)
    assert report["contact-info"] == "tls@sender.example"
    assert report["date-range"]["start-datetime"] == f"{TODAY}T00:00:00Z"
    (policy,) = report["policies"]
    assert policy["summary"]["total-failure-session-count"] == 1
    file = tmp_path / "report.gz"
    store.run("export", "bad.example", "--gzip", f"--output={file}")
    assert gzip.decompress(file.read_bytes()).decode() == plain.stdout
    done = subprocess.run(
        [program("strictmx"), "inspect", "--json", file],
        capture_output=True,
        env=environment(),
        check=False,
    )
    codes = {f["code"] for f in json.loads(done.stdout)["findings"]}
    assert codes <= {"report-id-missing", "report-text-empty"}


@pytest.mark.parametrize(
    "words, status, says",
    [
        ((), 2, "say list, show, export, preview or send"),
        (("frob",), 2, '"frob"'),
        (("show",), 2, "the domain is missing"),
        (("send",), 2, "--all-failed"),
        (("list", "--day=yesterday"), 2, "2026-01-31"),
        (("list", "--day=2026-02-30"), 2, "2026-01-31"),
        (("show", "--gzip", "a.example"), 2, "show has no --gzip"),
        (("send", "--json", "a.example"), 2, "send has no --json"),
        (("preview", "--failed"), 2, "preview has no --failed"),
        (("show", "a.example", "b.example"), 2, "one domain at a time"),
        (("send", "--all-failed", "a.example"), 2, "a domain or --all-failed"),
        (("send", "--all-failed"), 1, "nothing has failed"),
        (("send", "nobody.example"), 1, "nothing was counted for nobody.example"),
        (("preview", "--day=2026-01-31", "a.example"), 1, "on that day"),
        (("export", "good.example", "-o", "/nowhere/x"), 3, "No such file"),
        (("list", "a b"), 2, "no domain"),
        (("list", "--day=1969-12-31"), 2, "before 1970"),
        (("send", "--day=1969-12-31", "good.example"), 2, "before 1970"),
        (("list", "--day=\x1b[31mx"), 2, "\\x1b[31mx"),
        (("list", "--\x1b[31mx=1"), 2, 'unknown option "--\\x1b[31mx=1"'),
        (("list", "b\u00fccher.example"), 1, "counted for xn--bcher-kva.example"),
        (("list", "--failed", "good.example"), 1, "has no report that was given up"),
        (
            ("list", "--waiting", "--day", TODAY, "good.example"),
            1,
            "was counted on that day has no report that waits",
        ),
        (("show", "nobody.example"), 1, "nothing was counted for nobody.example"),
        (("list", "--failed"), 1, "nothing of the kind"),
        (("send", "good.example"), 1, "the day is not closed"),
    ],
)
def test_mistakes(store, words, status, says):
    """One sentence that helps."""
    done = store.run(*words)
    assert done.returncode == status
    assert says in done.stderr
    assert done.stdout == ""
    assert "\x1b" not in done.stderr


def test_several_domains_are_one_table(store):
    """Below one head, in columns; who is not known is said."""
    done = store.run("list", "good.example", "nobody.example", "bad.example")
    assert done.returncode == 0
    head, *rows = done.stdout.splitlines()
    assert [row.split()[1] for row in rows] == ["good.example", "bad.example"]
    assert {row.index("counting") for row in rows} == {head.index("STATE")}
    assert done.stderr == "strictmx: nothing was counted for nobody.example\n"
    done = store.run("list", "--json", "good.example", "nobody.example")
    assert len(json.loads(done.stdout)["reports"]) == 1
    assert "nobody.example" in done.stderr


def test_without_a_store(tmp_path):
    """Said plainly, and none is made."""
    config = tmp_path / "strictmx.conf"
    config.write_text(f'reports = "sqlite:{tmp_path}/reports.db"\n', encoding="utf-8")
    for verb in (("list",), ("show", "a.example"), ("send", "a.example")):
        done = subprocess.run(
            [program("strictmx"), "-c", config, "report", *verb],
            capture_output=True,
            encoding="utf-8",
            env=environment(),
            check=False,
        )
        assert done.returncode == 3
        assert "there is no store of reports" in done.stderr
    assert not (tmp_path / "reports.db").exists()


def test_a_store_of_something_else(tmp_path):
    """It is left as it is, also by send."""
    config = tmp_path / "strictmx.conf"
    config.write_text(f'reports = "sqlite:{tmp_path}/reports.db"\n', encoding="utf-8")
    (tmp_path / "reports.db").write_text("nothing of ours" * 100, encoding="utf-8")
    for verb in (("list",), ("send", "a.example")):
        done = run("-c", config, "report", *verb)
        assert (done.returncode, done.stdout) == (3, "")
        assert "not a database" in done.stderr
    assert {p.name for p in tmp_path.iterdir()} == {"reports.db", "strictmx.conf"}


def test_without_permission(store):
    """It is not said that there were none."""
    with tempfile.TemporaryDirectory() as folder:
        config = pathlib.Path(folder) / "strictmx.conf"
        config.write_text(f'reports = "sqlite:{store.path}"\n', encoding="utf-8")
        config.parent.chmod(0o755)
        done = run("-c", config, "report", "list", user=65534)
    assert done.returncode == 3
    assert "reports.db can't be read: Permission denied" in done.stderr


def test_without_a_contact(store, tmp_path):
    """What makes a report needs it, what only looks does not."""
    config = tmp_path / "strictmx.conf"
    config.write_text(f'reports = "sqlite:{store.path}"\n', encoding="utf-8")
    for verb in ("export", "preview"):
        done = run("-c", config, "report", verb, "bad.example")
        assert (done.returncode, done.stdout) == (3, "")
        assert "contact" in done.stderr
    for verb in (("list",), ("preview",), ("show", "bad.example")):
        assert run("-c", config, "report", *verb).returncode == 0


def test_a_day_that_is_closed(tmp_path):
    """Waiting, given up, and sent again."""
    mine = Store(tmp_path)
    try:
        mine.change("UPDATE domain_day SET report_id = 'x@sender.example'")
        mine.change(
            "INSERT INTO delivery SELECT id, 'mailto:a@b.example', 2, 3, 0, 0, 9,"
            " '554 no' FROM domain_day WHERE domain = 'bad.example'"
        )
        failed = mine.run("list", "--failed")
        assert "bad.example" in failed.stdout and "given up" in failed.stdout
        assert "554 no" in failed.stdout
        shown = mine.run("show", "bad.example").stdout
        assert "given up at 1970-01-01T00:00:00Z, 3 attempts: 554 no" in shown
        assert "report-id x@sender.example" in shown
        exported = json.loads(mine.run("export", "bad.example").stdout)
        assert exported["report-id"] == "x@sender.example"
        assert mine.run("preview").returncode == 1
        assert "not sent" in mine.run("list", "good.example").stdout
        done = mine.run("send", "bad.example")
        assert (done.returncode, done.stderr.split()[0]) == (0, "1")
        assert "bad.example" in mine.run("list", "--waiting").stdout
        assert mine.run("list", "--failed").returncode == 1
        assert json.loads(mine.run("list", "--failed", "--json").stdout)["reports"] == []
        assert "was left out" in mine.run("send", "good.example").stderr
        mine.change("UPDATE delivery SET state = 1")
        assert "was delivered" in mine.run("send", "bad.example").stderr
    finally:
        mine.stop()


@pytest.mark.parametrize(
    "settings, domain, reason",
    [
        ('exclude = { "good.example" }', "good.example", EXCLUDED[1]),
        ("only_failures = true", "good.example", NO_FAILURE[1]),
        ("", "nowhere.example", "its record names no usable place"),
        ("", "good.example", "settings that have changed since"),
    ],
)
def test_why_a_closed_day_was_not_sent(tmp_path, settings, domain, reason):
    """The same as preview has told, in text and JSON."""
    mine = Store(tmp_path)
    try:
        mine.change(
            "INSERT INTO domain_day (day, domain, record) SELECT day,"
            " 'nowhere.example', 'v=TLSRPTv1' FROM domain_day LIMIT 1"
        )
        mine.change("UPDATE domain_day SET report_id = 'x@sender.example'")
        text = mine.config.read_text(encoding="utf-8")
        mine.config.write_text(text.replace("report {", f"report {{ {settings} "), "utf-8")
        (line,) = mine.run("list", domain).stdout.splitlines()[1:]
        assert "not sent" in line and line.endswith(reason)
        (row,) = json.loads(mine.run("list", "--json", domain).stdout)["reports"]
        assert row["state"] == "not-sent" and row["detail"].endswith(reason)
        assert f"{reason}\n" in mine.run("show", domain).stdout
        shown = json.loads(mine.run("show", "--json", domain).stdout)
        assert shown["detail"].endswith(reason) and shown["deliveries"] == []
    finally:
        mine.stop()


def test_list_counts_what_the_report_counts(tmp_path):
    """Beside a policy in testing, sessions without one are not reported."""
    mine = Store(tmp_path)

    def numbers(*words):
        (row,) = json.loads(mine.run(*words, "--json", "good.example").stdout)["reports"]
        return row["successful"], row["failed"], row["left_out"]

    try:
        mine.change("UPDATE policy SET type = 0, success = 5, failure = 2")
        mine.change("UPDATE domain_day SET report_id = 'x@sender.example'")
        assert numbers("list") == (5, 2, 0)
        mine.change(
            "INSERT INTO policy (domain_day, type, members, success, failure)"
            " SELECT id, 1, '\"policy-type\":\"sts\",\"policy-string\":"
            '["version: STSv1","mode: testing"],"policy-domain":"good.example"\','
            " 1, 0 FROM domain_day WHERE domain = 'good.example'"
        )
        assert numbers("list") == (1, 0, 7)
        assert mine.run("list", "good.example").stdout.splitlines()[1].split()[2:4] == [
            "1",
            "0",
        ]
        report = json.loads(mine.run("export", "good.example").stdout)
        (policy,) = report["policies"]
        assert policy["summary"]["total-successful-session-count"] == 1
        shown = mine.run("show", "good.example").stdout
        assert "1 session succeeded, 0 failed" in shown
        assert "7 sessions without a policy left out: while a policy is in testing" in shown
        assert json.loads(mine.run("show", "--json", "good.example").stdout)["left_out"] == 7
        mine.change("UPDATE domain_day SET report_id = NULL")
        lines = mine.run("preview").stdout.splitlines()
        assert {tuple(l.split()[2:4]) for l in lines if "good." in l} == {("1", "0")}
    finally:
        mine.stop()


def test_hostile_words_are_escaped_once(tmp_path):
    """Those of a server, and those of a datagram, in the log too."""
    mine = Store(tmp_path)
    try:
        mine.change("UPDATE domain_day SET report_id = 'x@sender.example'")
        mine.change(
            "INSERT INTO delivery SELECT id, 'mailto:a@b.example', 2, 3, 0, 0, 9,"
            " '554 ' || char(27) || '[31m‮' FROM domain_day"
        )
        for verb in (("list",), ("show", "bad.example")):
            shown = mine.run(*verb).stdout
            assert "554 \\x1b[31m\\xe2" in shown
        raw = mine.run("list", "--json", "bad.example").stdout
        assert '"554 \\u001b[31m\\u202e"' in raw
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(b'{"d":"\\u001b\x1b\0.x"}', str(tmp_path / "socket"))
    finally:
        mine.child.terminate()
        _, log = mine.child.communicate(timeout=20)
    assert b'it begins: {"d":"\\x5cu001b\\x1b?.x"}\n' in log


def test_marks_that_turn_the_order_around(tmp_path):
    """Are visible in all JSON, also that which is sent."""
    mine = Store(tmp_path)
    marks = "‮⁦​ ﻿"
    text = datagram("marks.example", {"c": 204, "n": "mx.bad.example", "f": marks})
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(text.encode(), str(tmp_path / "socket"))
        wait_until(lambda: "marks.example" in mine.run("list").stdout, 10, "a flush")
        for words in (("show", "--json"), ("export",), ("preview",)):
            shown = mine.run(*words, "marks.example").stdout
            assert not set(marks) & set(shown)
            assert "\\u202e\\u2066\\u200b\\u2028\\ufeff" in shown
    finally:
        mine.stop()
    shown = inspect(text.encode(), "--json").stdout.decode()
    assert not set(marks) & set(shown) and "\\u202e" in shown


def test_what_waits_for_its_time_is_left_alone(tmp_path):
    """--all-failed is not a way around the spread; a domain by name is."""
    mine = Store(tmp_path)
    try:
        mine.change("UPDATE domain_day SET report_id = 'x@sender.example'")
        mine.change(
            "INSERT INTO delivery SELECT id, 'mailto:a@b.example', 0,"
            " domain = 'bad.example', 0, 4000000000000, NULL, '' FROM domain_day"
        )
        done = mine.run("send", "--all-failed")
        assert (done.returncode, done.stderr.split()[0]) == (0, "1")
        rows = json.loads(mine.run("list", "--json").stdout)["reports"]
        assert [row["next"][:4] == "2096" for row in rows] == [False, True]
        assert mine.run("send", "good.example").returncode == 0
        rows = json.loads(mine.run("list", "--json").stdout)["reports"]
        assert "2096" not in {row["next"][:4] for row in rows}
    finally:
        mine.stop()


def test_many_days_come_in_pages(tmp_path):
    """All of them, each once, in order, below one head."""
    mine = Store(tmp_path)
    try:
        mine.change("DELETE FROM domain_day")
        for day in (7, 8, 9):
            mine.change(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
                " WHERE i < 1000) INSERT INTO domain_day (day, domain, record)"
                f" SELECT {day}, 'd' || i || '.example', 'v=TLSRPTv1' FROM n"
            )
        mine.change("INSERT INTO delivery SELECT id, 'a', 0, 0, 0, 0, 0, '' FROM domain_day")
        mine.change("INSERT INTO delivery SELECT id, 'b', 0, 0, 0, 0, 0, '' FROM domain_day")
        rows = json.loads(mine.run("list", "--json").stdout)["reports"]
        keys = [(row["day"], row["domain"], row["to"]) for row in rows]
        assert len(keys) == 6000 and keys == sorted(set(keys))
        lines = mine.run("list").stdout.splitlines()
        assert len(lines) == 6001
        assert sum(line.startswith("DAY") for line in lines) == 1
        one = mine.run("list", "--day=1970-01-09").stdout.splitlines()
        assert len(one) == 2001
    finally:
        mine.stop()


def test_send_is_seen_by_role_report(tmp_path):
    """What was given up is delivered within seconds, a copy here."""
    mine = Store(tmp_path)
    copies = tmp_path / "copies"
    copies.mkdir()
    try:
        # Of a day that is over.
        mine.change(
            "UPDATE domain_day SET day = day - 1, report_id = 'x@sender.example'"
        )
        mine.change(
            f"INSERT INTO delivery SELECT id, 'file:{copies}', 2, 3, 0, 0, 9,"
            " 'disk full' FROM domain_day WHERE domain = 'bad.example'"
        )
        sender = subprocess.Popen(
            [program("strictmxd"), "-c", mine.config, "report"],
            stderr=subprocess.PIPE,
            env=environment(),
        )
        try:
            assert mine.run("send", "bad.example").returncode == 0
            wait_until(lambda: list(copies.glob("*.json.gz")), 15, "the copy")
            wait_until(
                lambda: "delivered" in mine.run("list", "bad.example").stdout,
                10,
                "what came of it",
            )
        finally:
            sender.terminate()
            _, log = sender.communicate(timeout=20)
        assert sender.returncode == 0 and b"Sanitizer" not in log, log
        (copy,) = copies.glob("*.json.gz")
        exported = tmp_path / "exported.gz"
        mine.run("export", "bad.example", "--gzip", "-o", exported)
        assert exported.read_bytes() == copy.read_bytes()
    finally:
        mine.stop()


def inspect(data, *options):
    """strictmx inspect of bytes."""
    return subprocess.run(
        [program("strictmx"), "inspect", *options, "-"],
        input=data,
        capture_output=True,
        env=environment(),
        check=False,
    )


def test_inspect_datagram():
    """Guessed, and in the words of the RFC."""
    text = datagram("Bad.Example.", EXPIRED).encode()
    done = inspect(text)
    assert done.returncode == 0
    assert b"a valid datagram of libtlsrpt" in done.stdout
    assert b"\x1b" not in done.stdout
    shown = json.loads(inspect(text, "--json").stdout)
    assert shown["type"] == "datagram" and shown["event"]["domain"] == "bad.example"
    (policy,) = shown["event"]["policies"]
    assert policy["session"] == "failure"
    assert policy["failure-details"][0]["result-type"] == "certificate-expired"


@pytest.mark.parametrize(
    "data, says",
    [
        (b"", b"not JSON"),
        (b'{"d":"a.example","policies":[{}],"pr":""}', b"no TLS reporting record"),
        (b'{"d":1,"policies":[{}],"pr":"x"}', b"no host name"),
        (b"{}", b"no domain"),
        (b'{"d":"a.example","policies":[{}],"pr":"v=TLSRPTv1"}', b"no usable rua"),
        (
            b'{"d":"a.example","policies":[{}],"pr":"v=TLSRPTv1;rua=ftp://a"}',
            b"no usable rua",
        ),
        (b'{"d":"a.example"}\n{"d":"a.example"}', b"one object is one datagram"),
        (b'{"dpv":"2"}', b"version"),
        (b" " * 300000, b"longer than a datagram"),
    ],
)
def test_inspect_bad_datagram(data, says):
    """What is wrong with it."""
    done = inspect(data, "--type=datagram")
    assert done.returncode == 1
    assert says in done.stdout
    shown = json.loads(inspect(data, "--type=datagram", "--json").stdout)
    assert not shown["valid"] and says.decode() in shown["reason"]
    assert "event" not in shown


@pytest.mark.parametrize(
    "text, kind",
    [
        ('{"dpv": "1"}', "datagram"),
        ('{"d":"a.example","policies":[]}', "datagram"),
        ('{"organization-name":"d","policies":[]}', "report"),
    ],
)
def test_inspect_guesses(text, kind):
    """A datagram even when something of it is missing."""
    assert json.loads(inspect(text.encode(), "--json").stdout)["type"] == kind
