"""strictmx report, beside a running role collect; strictmx inspect of what MTAs
write to it."""

import datetime
import gzip
import json
import socket
import sqlite3
import subprocess

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
        return subprocess.run(
            [program("strictmx"), "-c", self.config, "report", *words],
            capture_output=True,
            encoding="utf-8",
            env=environment(),
            check=False,
        )

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
    assert store.run("preview").stdout == done.stdout


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
    assert "\x1b" not in done.stdout
    assert store.run("preview", "bad.example").stdout == done.stdout


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
        (("list", "a b"), 2, "no domain"),
        (("show", "nobody.example"), 1, "nothing was counted for nobody.example"),
        (("list", "--failed"), 1, "nothing of the kind"),
        (("send", "good.example"), 1, "once it is over"),
    ],
)
def test_mistakes(store, words, status, says):
    """One sentence that helps."""
    done = store.run(*words)
    assert done.returncode == status
    assert says in done.stderr
    assert done.stdout == ""


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
        assert "not sent" in mine.run("list", "good.example").stdout
        done = mine.run("send", "bad.example")
        assert (done.returncode, done.stderr.split()[0]) == (0, "1")
        assert "bad.example" in mine.run("list", "--waiting").stdout
        assert mine.run("list", "--failed").returncode == 1
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
        (b'{"dpv":"2"}', b"version"),
    ],
)
def test_inspect_bad_datagram(data, says):
    """What is wrong with it."""
    done = inspect(data, "--type=datagram")
    assert done.returncode == 1
    assert says in done.stdout
