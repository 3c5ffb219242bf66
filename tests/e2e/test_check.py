"""`strictmx check` against one domain for each class of failure."""

import concurrent.futures
import contextlib
import csv
import io
import json
import os
import pathlib
import pty
import re
import signal
import subprocess
import time

import pytest

import check_golden
import check_parts
import checkworld
from checkworld import ROWS, RUNS
from daemon import SANITIZER_REPORT, environment, program
from netns import RESOLV_FOLDER, SLOWNESS, wait_until

DIAG = pathlib.Path(__file__).resolve().parents[2] / "src" / "core" / "diag.def"
CHECK_SECTIONS = "/* `strictmx check`: "
DIAG_ROW = re.compile(r'^SMX_DIAG_ROW\(\w+,\s*"([^"]*)",\s*(\w+)', re.M)

# Found by the grammar of TLS reporting records and in reports, which have
# vectors of their own, and by comparing with an earlier result.
COVERED_ELSEWHERE = re.compile(
    r"tlsrpt-(field|rua|version|too|equals|end|dup)|report-"
)

SOUND = "good-plain.test"
WARNED = "max-age-short.test"
BROKEN = "id-hyphen.test"
DEFERRED = "smtp-expired.test"
UNDETERMINED = "record-servfail.test"

# A failure that is known counts for more than one that is not.
WORST_FIRST = (3, 2, 4, 1, 0)

# What must not reach a terminal from outside: C0 without line feed, DEL, C1.
CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f]")


@pytest.fixture(scope="module")
def check_world():
    """The world, whose servers have to be well at the end."""
    with checkworld.CheckWorld() as raised:
        yield raised
        assert "Traceback" not in raised.servers.log()


@pytest.fixture(scope="module")
def finished(check_world):
    """All checks of the table: one of all rows of a run, and one of each row.

    They go on at the same time, as most of it is waiting for what is mute.
    """

    def check_row(row):
        return check_world.check("--colour=never", row.domain, run=row.run)

    def check_run(run, rows):
        listed = "\n".join(row.domain for row in rows)
        return check_world.check("--file=-", "--json", run=run, stdin=listed)

    made = {}
    for run in RUNS:
        rows = [row for row in ROWS if row.run == run]
        with check_world.weather(run), concurrent.futures.ThreadPoolExecutor(8) as pool:
            whole = pool.submit(check_run, run, rows)
            made.update(zip((row.domain for row in rows), pool.map(check_row, rows)))
            made[run] = whole.result()
    return made


@pytest.fixture(scope="module")
def checked(finished):
    """run -> the process that wrote JSON about all its rows."""
    for run in RUNS:
        check_sane(finished[run])
    return {run: finished[run] for run in RUNS}


@pytest.fixture(scope="module")
def results(checked):
    """domain -> its JSON object."""
    objects = [found for done in checked.values() for found in json_of(done)]
    return {found["domain"]: found for found in objects}


@pytest.fixture(scope="module")
def texts(finished):
    """domain -> the process that wrote about it for people."""
    return {row.domain: finished[row.domain] for row in ROWS}


def check_sane(done):
    """No sanitizer spoke, and the status is one that is documented."""
    assert not SANITIZER_REPORT.search(done.stderr), done.stderr
    assert done.returncode in (0, 1, 2, 3, 4, 64), done.stderr


def severities():
    """code -> severity, of all rows of diag.def."""
    found = DIAG_ROW.findall(DIAG.read_text(encoding="utf-8"))
    return {name: word.lower() for name, word in found}


def json_of(done):
    """The objects of --json, in order."""
    check_sane(done)
    return [json.loads(line) for line in done.stdout.splitlines()]


# The table.


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_findings(results, row):
    """Every error and warning, no other, and the infos that matter."""
    known = severities()
    found = results[row.domain]
    codes = {finding["code"] for finding in found["findings"]}
    loud = {code for code in codes if known[code] != "info"}
    assert loud == {code for code in row.codes if known[code] != "info"}
    assert row.codes <= codes
    assert found["verdict"] == row.verdict
    assert found["exit_status"] == row.exit


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_text(texts, row):
    """What people read, and the exit status."""
    done = texts[row.domain]
    check_sane(done)
    assert done.stderr == ""
    assert done.returncode == row.exit
    assert not CONTROL.search(done.stdout)
    assert check_golden.plain(done.stdout) == check_golden.expected(
        row.name, done.stdout
    )


def test_no_other_golden_text():
    """Each file belongs to a row."""
    assert {p.stem for p in check_golden.FOLDER.iterdir()} == {r.name for r in ROWS}


def test_every_code_has_a_row():
    """What check can find is found somewhere."""
    text = DIAG.read_text(encoding="utf-8")
    names = {name for name, _ in DIAG_ROW.findall(text[text.index(CHECK_SECTIONS) :])}
    assert len(names) > 70
    seen = set().union(*(row.codes for row in ROWS), *CHANGES.values())
    missing = {name for name in names - seen if not COVERED_ELSEWHERE.match(name)}
    assert missing == set()


# JSON.


def test_json_form(results):
    """What is documented is there, and fits together."""
    known = severities()
    for domain, found in results.items():
        assert found["format"] == "strictmx-check" and found["version"] == 1
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", found["checked_at"])
        assert found["headline"], domain
        for finding in found["findings"]:
            assert finding["severity"] == known[finding["code"]]
            assert finding["text"] and finding["fix"] and finding["rfc"]
            assert "%" not in finding["text"] + finding["fix"]


def test_status_is_the_worst(checked, results):
    """One check of many domains ends as its worst one."""
    for run, done in checked.items():
        domains = [row.domain for row in ROWS if row.run == run]
        seen = {results[domain]["exit_status"] for domain in domains}
        assert done.returncode == next(n for n in WORST_FIRST if n in seen)


@pytest.mark.parametrize(
    "domains, status",
    [
        ((SOUND,), 0),
        ((WARNED, SOUND), 1),
        ((SOUND, BROKEN, WARNED), 2),
        ((UNDETERMINED, WARNED), 4),
        ((UNDETERMINED, BROKEN), 2),
        ((DEFERRED, BROKEN, UNDETERMINED, SOUND), 3),
    ],
)
def test_status_of_several(check_world, domains, status):
    """The order makes no difference."""
    assert check_world.check(*domains).returncode == status
    quiet = check_world.check("--quiet", *reversed(domains))
    assert (quiet.returncode, quiet.stderr) == (status, "")
    heads = [line.partition(": ")[0] for line in quiet.stdout.splitlines()]
    assert heads == list(reversed(domains))


def test_csv(check_world):
    """A line for each domain, under a head."""
    domains = [SOUND, BROKEN, DEFERRED, "hostile.test"]
    done = check_world.check("--csv", *domains)
    check_sane(done)
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["domain"] for row in rows] == domains
    assert [row["verdict"] for row in rows] == [
        "protected",
        "broken",
        "mail-deferred",
        "broken",
    ]
    assert [int(row["exit_status"]) for row in rows] == [0, 2, 3, 2]
    assert "txt-id-char" in ",".join(rows[1].values())


# Many domains.


def test_order(check_world):
    """In the order of the input, or as they come."""
    names = ["host-dropped.test", SOUND, BROKEN, WARNED, "good.example"]
    text = "\n".join(["# a comment", "", *names]) + "\n"
    # The first one takes all of its time.
    words = ("--file=-", "--json", "--timeout=2")
    kept = json_of(check_world.check(*words, stdin=text))
    assert [found["domain"] for found in kept] == names
    loose = json_of(check_world.check(*words, "--unordered", stdin=text))
    assert sorted(found["domain"] for found in loose) == sorted(names)
    assert loose[-1]["domain"] == names[0]


def test_list(check_world):
    """Comments, any spelling of a name, and lines that are none."""
    text = f"# all of them\n\n{SOUND.upper()}.\r\na..test\n  \t{WARNED}\n"
    done = check_world.check("--file=-", "--json", stdin=text)
    assert [found["domain"] for found in json_of(done)] == [SOUND, WARNED]
    assert done.returncode == 64
    (complaint,) = [line for line in done.stderr.splitlines() if "a..test" in line]
    assert ":4:" in complaint


def test_empty_list(check_world):
    """Nothing to do is no error."""
    done = check_world.check("--file=-", "--json", stdin="# nobody\n")
    assert (done.returncode, done.stdout) == (0, "")


def test_international_name(check_world):
    """A name with an umlaut is looked up as DNS has it."""
    (found,) = json_of(check_world.check("--json", "b\u00fccher.test"))
    assert found["domain"] == "xn--bcher-kva.test"


def test_summary(check_world):
    """The table at the end counts all."""
    names = [SOUND, "good.example", BROKEN, WARNED, DEFERRED]
    done = check_world.check("--file=-", "--json", stdin="\n".join(names))
    counts = dict(
        reversed(line.split()[::2]) for line in done.stderr.splitlines() if "%" in line
    )
    assert counts["protected"] == "2"
    assert counts["broken"] == counts["mail-deferred"] == "1"
    assert counts["txt-id-char"] == counts["policy-max-age-short"] == "1"


def test_progress(check_world, tmp_path):
    """A bar on a terminal, and nothing of it elsewhere."""
    listed = tmp_path / "domains"
    listed.write_text(f"{SOUND}\nhost-dropped.test\n", encoding="ascii")
    words = (f"--file={listed}", "--json", "--timeout=2")
    ours, theirs = pty.openpty()
    child = check_world.popen(*words, stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):
        while part := os.read(ours, 65536):
            shown += part
    os.close(ours)
    out, _ = child.communicate(timeout=30)
    assert len(out.splitlines()) == 2
    assert re.search(rb"1 done, .*\d+%, \d+ s left", shown), shown
    assert "\x1b" not in check_world.check(*words).stderr


def test_gentle(check_world):
    """However many domains share an MX host, few sessions go there at once."""
    name = "good-own-mx.test"
    done = check_world.check("--file=-", "--json", "--jobs=40", stdin=f"{name}\n" * 40)
    results = json_of(done)
    assert len(results) == 40 and done.returncode == 0
    addresses = [a["ip"] for a in results[0]["mx"][0]["addresses"]]
    assert len(addresses) == 2
    for address in addresses:
        assert 1 <= check_world.servers.peak(address, 25) <= 8


def test_resume(check_world, tmp_path):
    """What was done before Ctrl-C is kept, and not done again."""
    quick = [row.domain for row in ROWS if row.site.get("web", ("nginx",))[:1] == ()]
    quick += [row.domain for row in ROWS if "web_certificate" in row.site]
    names = [name for name in quick if name != "host-private.test"]
    listed, out = tmp_path / "domains", tmp_path / "out"
    listed.write_text("".join(f"{name}\n" for name in names), encoding="ascii")
    words = (f"--file={listed}", "--json", f"--output={out}", "--jobs=2")

    def lines():
        return out.read_text(encoding="utf-8").splitlines() if out.exists() else []

    child = check_world.popen(*words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_until(lambda: len(lines()) >= 5, 60, "the first results")
    child.send_signal(signal.SIGINT)
    _, said = child.communicate(timeout=30)
    before = [json.loads(line)["domain"] for line in lines()]
    assert 5 <= len(before) < len(names), said
    check_sane(check_world.check(*words, "--resume"))
    after = [json.loads(line)["domain"] for line in lines()]
    assert after[: len(before)] == before
    assert sorted(after) == sorted(names)


# An earlier result.

CHANGES = {
    "base-same.test": set(),
    "base-id.test": {"changed-id-only"},
    "base-body.test": {"changed-policy-only"},
    "base-both.test": {"changed-policy"},
    "base-new.test": {
        "changed-mx-new",
        "changed-verdict",
        "mx-not-allowed-other-domain",
    },
    "base-gone.test": {"changed-mx-gone", "changed-verdict", "policy-mx-unused"},
    "base-cert.test": {"changed-certificate"},
    "base-nearer.test": {"changed-expiry-nearer"},
    "base-key.test": {"changed-certificate"},
    "testing.test": {"policy-testing", "policy-testing-long"},
}


@pytest.fixture(scope="module")
def changed(check_world, tmp_path_factory):
    """An earlier result, after which the world has changed."""
    done = check_world.check("--json", *CHANGES)
    assert {d["domain"]: codes_of(d) for d in json_of(done)} == {
        name: {"policy-testing"} if "testing" in name else set() for name in CHANGES
    }
    file = tmp_path_factory.mktemp("baseline") / "old"
    # As if it was made long ago.
    keys = "checked_at|testing_since"
    then = re.sub(rf'"({keys})": ?"20\d\d', r'"\1":"2020', done.stdout)
    file.write_text(then, encoding="utf-8")
    check_world.change()
    return file


def test_baseline(check_world, changed):
    """What has changed since."""
    done = check_world.check("--json", f"--baseline={changed}", *CHANGES)
    assert {d["domain"]: codes_of(d) for d in json_of(done)} == CHANGES


def test_baseline_text(check_world, changed):
    """The same for people."""
    words = ("--colour=never", f"--baseline={changed}", "base-new.test")
    text = check_world.check(*words).stdout
    assert f"MX {checkworld.HOSTER} is new" in text


def test_baseline_of_others(check_world, changed):
    """A domain that is not in it has not changed."""
    words = ("--json", f"--baseline={changed}")
    assert codes_of(*json_of(check_world.check(*words, SOUND))) == set()


def codes_of(found):
    """The codes of one result."""
    return {finding["code"] for finding in found["findings"]}


# Where it can't look.


def check_without_resolver(check_world, *words):
    """A check without the options that say where the resolver is."""
    argv = [program("strictmx"), "check", *words]
    return subprocess.run(
        check_world.namespace.inside(argv),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(),
        check=False,
    )


@pytest.mark.parametrize(
    "resolv",
    ["", "nameserver 10.91.0.1\n", "nameserver ::1\n"],
    ids=["empty", "dead", "dead-v6"],
)
def test_no_dns(check_world, resolv):
    """One sentence, at once."""
    file = RESOLV_FOLDER / check_world.namespace.name / "resolv.conf"
    before = file.read_text(encoding="ascii")
    file.write_text(resolv, encoding="ascii")
    began = time.monotonic()
    try:
        done = check_without_resolver(check_world, SOUND, BROKEN, WARNED)
    finally:
        file.write_text(before, encoding="ascii")
    assert time.monotonic() - began < 4 * SLOWNESS
    check_sane(done)
    assert done.returncode == 4
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1 and "DNS" in done.stderr


def test_connect(check_world):
    """Another address for a host, as with curl."""
    name = "host-refused.test"
    sound = f"--connect=mta-sts.{name}:443={check_parts.WEB}:443"
    (found,) = json_of(check_world.check("--json", sound, name))
    assert found["verdict"] == "protected", found
    hoster = checkworld.POSTFIX[checkworld.HOSTER][0]
    other = f"--connect=mx.smtp-expired.test:25={hoster}:25"
    (found,) = json_of(check_world.check("--json", other, DEFERRED))
    assert codes_of(found) == {"smtp-certificate-name"}


def test_expires_soon(check_world):
    """How early to warn is the caller's choice."""
    words = ("--json", SOUND)
    (found,) = json_of(check_world.check("--expires-soon=120", *words))
    soon = {"certificate-expires-soon", "smtp-certificate-expires-soon"}
    assert codes_of(found) == soon
    words = ("--expires-soon=0", "--json", "host-soon.test")
    (found,) = json_of(check_world.check(*words))
    assert codes_of(found) == set()


def test_smtp_port(check_world):
    """Another port for all MX hosts."""
    words = ("--json", checkworld.IMPLICIT, SOUND)
    port = f"--smtp-port={checkworld.OTHER_SMTP_PORT}"
    implicit, sound = json_of(check_world.check(port, *words))
    assert implicit["verdict"] == "protected-with-warnings"
    assert codes_of(sound) == {"smtp-refused"}


USAGE = [
    (),
    ("--no-such-option", SOUND),
    ("--json", "--csv", SOUND),
    ("--jobs=0", SOUND),
    ("--jobs=many", SOUND),
    ("--timeout=0", SOUND),
    ("--timeout=-1", SOUND),
    ("--smtp-port=0", SOUND),
    ("--smtp-port=70000", SOUND),
    ("--connect=x", SOUND),
    ("--connect=a.test:443=b", SOUND),
    ("--resolver=nowhere", SOUND),
    ("--colour=blue", SOUND),
    ("--width=0", SOUND),
    ("--file=/nowhere/at/all",),
    ("--ca-file=/nowhere/at/all", SOUND),
    ("--trust-anchor=/nowhere/at/all", SOUND),
    ("--baseline=/nowhere/at/all", SOUND),
    ("--output=/nowhere/at/all", SOUND),
    ("--output=-", SOUND),
    ("--baseline=/dev/null", SOUND),
    ("--resume", SOUND),
    ("no domain",),
    ("a..test",),
    ("-",),
]


@pytest.mark.parametrize("words", USAGE, ids=" ".join)
def test_usage(check_world, words):
    """Said in a line or two, with status 64, and nothing is looked up."""
    done = check_world.check(*words)
    assert done.returncode == 64, done.stderr
    assert done.stdout == "" and done.stderr.startswith("strictmx")
    assert len(done.stderr.splitlines()) <= 3


@pytest.mark.parametrize(
    "text, says",
    [
        ('{"format":"strictmx-check","version":99,"domain":"a.test"}', "newer"),
        ('{"format":"strictmx-check","version":1}', "domain"),
        ('{"format":"other","version":1,"domain":"a.test"}', "no result"),
        ("{", "1: "),
    ],
)
def test_bad_baseline(check_world, tmp_path, text, says):
    """What it can't be compared with is refused, and the line named."""
    file = tmp_path / "baseline"
    file.write_text(text + "\n", encoding="utf-8")
    done = check_world.check(f"--baseline={file}", SOUND)
    assert (done.returncode, done.stdout) == (64, "")
    assert f"{file}:1: " in done.stderr and says in done.stderr


def test_resume_of_something_else(check_world, tmp_path):
    """No file is written over or added to that is no list of results."""
    file = tmp_path / "diary"
    file.write_text("dear diary\n", encoding="utf-8")
    done = check_world.check("--json", f"--output={file}", "--resume", SOUND)
    assert (done.returncode, done.stdout) == (64, "")
    assert "no results" in done.stderr
    assert file.read_text(encoding="utf-8") == "dear diary\n"


# What is shown.


@pytest.mark.parametrize("form", ["--colour=always", "--csv", "--json", "--width=50"])
@pytest.mark.parametrize("name", [r.domain for r in ROWS if "hostile" in r.name])
def test_hostile_text(check_world, name, form):
    """Nothing from outside can move the cursor or set a title."""
    done = check_world.check(form, name)
    check_sane(done)
    # Our own colours are there, and nothing else.
    shown = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout.replace("\r\n", "\n"))
    assert not CONTROL.search(shown)
    assert "\x1b[31m\x9b" not in done.stdout and "]0;owned\x07" not in done.stdout


def test_colour(check_world):
    """When asked for, or on a terminal, which this is not."""
    assert "\x1b[" in check_world.check("--colour=always", SOUND).stdout
    plain = check_world.check("--colour=never", SOUND).stdout
    assert "\x1b" not in plain
    assert check_world.check(SOUND).stdout == plain


@pytest.mark.parametrize("width", [60, 80, 120])
def test_width(check_world, width):
    """Lines end where they are told to; only the table needs its 80 columns."""
    for name in (SOUND, BROKEN, DEFERRED, "good.example", "smtp-both.test"):
        text = check_world.check("--colour=never", f"--width={width}", name).stdout
        if width < 80:
            text = re.sub(r"(?m)^PREF .*\n(.+\n)*", "", text)
        assert [line for line in text.splitlines() if len(line) > width] == []
