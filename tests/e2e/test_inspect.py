"""strictmx inspect --type=report: what it prints of a report, and that nothing
of it reaches a terminal unescaped."""

import copy
import gzip
import json
import subprocess

import pytest

from daemon import environment, program

REPORT = {
    "organization-name": "Sender Example",
    "date-range": {
        "start-datetime": "2026-09-20T00:00:00Z",
        "end-datetime": "2026-09-20T23:59:59Z",
    },
    "contact-info": "tlsrpt@sender.example",
    "report-id": "2026-09-20-example.com",
    "policies": [
        {
            "policy": {
                "policy-type": "sts",
                "policy-string": ["version: STSv1", "mode: testing"],
                "policy-domain": "example.com",
                "mx-host": ["*.example.com"],
            },
            "summary": {
                "total-successful-session-count": 1234,
                "total-failure-session-count": 7,
            },
            "failure-details": [
                {
                    "result-type": "certificate-expired",
                    "sending-mta-ip": "192.0.2.1",
                    "receiving-mx-hostname": "mx.example.com",
                    "receiving-ip": "2001:db8::1",
                    "failed-session-count": 7,
                    "failure-reason-code": "certificate has expired",
                }
            ],
        }
    ],
}

HOSTILE = "\x1b[31m\x07\x00\x7f\x9b\u202e\r\nDate: x"


def inspect(data, *options):
    """What strictmx inspect does with some bytes at its standard input."""
    if not isinstance(data, bytes):
        data = json.dumps(data).encode()
    return subprocess.run(
        [program("strictmx"), "inspect", *options, "-"],
        input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60,
        check=False, env=environment(),
    )


def inspect_json(data, *options):
    """The exit status, and the object that is printed."""
    done = inspect(data, "--json", *options)
    return done.returncode, json.loads(done.stdout)


def changed(change):
    """The report after a change."""
    report = copy.deepcopy(REPORT)
    change(report)
    return report


def test_text():
    done = inspect(REPORT, "--type=report")
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode().splitlines() == [
        "input: a valid TLS report",
        "input: Sender Example, 2026-09-20: 1234 sessions succeeded, 7 failed",
        "  report-id 2026-09-20-example.com, contact-info tlsrpt@sender.example",
        "  example.com, sts: 1234 sessions succeeded, 7 failed",
        "    | version: STSv1",
        "    | mode: testing",
        "           7 certificate-expired at mx.example.com [2001:db8::1], "
        "from 192.0.2.1: certificate has expired",
    ]


def test_json():
    status, printed = inspect_json(REPORT, "--type=report")
    assert status == 0
    assert (printed["type"], printed["valid"]) == ("report", True)
    assert printed["findings"] == []
    assert printed["report"] == {
        "organization_name": "Sender Example",
        "contact_info": "tlsrpt@sender.example",
        "report_id": "2026-09-20-example.com",
        "day": "2026-09-20",
        "start_datetime": "2026-09-20T00:00:00Z",
        "end_datetime": "2026-09-20T23:59:59Z",
        "total_successful_session_count": 1234,
        "total_failure_session_count": 7,
        "policy_count": 1,
        "failure_count": 1,
        "policies": [
            {
                "policy_type": "sts",
                "policy_domain": "example.com",
                "policy_string": ["version: STSv1", "mode: testing"],
                "mx_host": ["*.example.com"],
                "total_successful_session_count": 1234,
                "total_failure_session_count": 7,
                "failure_details": [
                    {
                        "result_type": "certificate-expired",
                        "sending_mta_ip": "192.0.2.1",
                        "receiving_mx_hostname": "mx.example.com",
                        "receiving_mx_helo": None,
                        "receiving_ip": "2001:db8::1",
                        "additional_information": None,
                        "failure_reason_code": "certificate has expired",
                        "failed_session_count": 7,
                    }
                ],
            }
        ],
        "finding_counts": {},
    }


@pytest.mark.parametrize(
    "data",
    [
        json.dumps(REPORT).encode(),
        b"\r\n " + json.dumps(REPORT, indent=2).encode(),
        gzip.compress(json.dumps(REPORT).encode()),
    ],
    ids=["plain", "indented", "gzip"],
)
def test_type_is_guessed(data):
    status, printed = inspect_json(data)
    assert (status, printed["type"]) == (0, "report")
    assert printed["report"]["day"] == "2026-09-20"


def test_other_types_are_still_guessed():
    for data, kind in (
        (b"v=STSv1; id=1;", "record"),
        (b"version: STSv1\nmode: none\nmax_age: 1\n", "policy"),
        (b"v=TLSRPTv1; rua=mailto:a@example.com", "tlsrpt-record"),
    ):
        assert inspect_json(data)[1]["type"] == kind


def test_file(tmp_path):
    """A plain report in a file that is called gzip."""
    path = tmp_path / "report.json.gz"
    path.write_text(json.dumps(REPORT), encoding="utf-8")
    done = subprocess.run(
        [program("strictmx"), "inspect", path],
        stdout=subprocess.PIPE, timeout=60, check=False, env=environment(),
    )
    assert done.returncode == 0
    assert done.stdout.decode().startswith(f"{path}: a valid TLS report\n")


def test_what_is_forgiven_is_read():
    """Not valid, and its content is there all the same."""

    def change(report):
        del report["contact-info"]
        report["policies"][0]["failure-details"] *= 2
        report["policies"][0]["failure-details"][0]["receiving-ip"] = ""
        report["policies"][0]["failure-details"][1] = dict(
            report["policies"][0]["failure-details"][0], **{"failed-session-count": 0}
        )

    report = changed(change)
    status, printed = inspect_json(report)
    assert (status, printed["valid"]) == (1, False)
    codes = [finding["code"] for finding in printed["findings"]]
    assert codes == ["report-ip-empty", "report-contact-missing"]
    counts = printed["report"]["finding_counts"]
    assert counts == {"report-contact-missing": 1, "report-ip-empty": 2}
    assert printed["report"]["contact_info"] is None
    text = inspect(report).stdout.decode()
    assert "input: not a valid TLS report, though it can be read\n" in text
    assert "input: report-ip-empty 2 times\n" in text
    assert "[report-ip-empty, RFC 8460 4.4]" in text


@pytest.mark.parametrize(
    "data, code",
    [
        pytest.param(data, code, id=code)
        for data, code in (
            (b"", "report-empty"),
            (b"[]", "report-not-object"),
            (b"{}", "report-policies-missing"),
            (json.dumps(REPORT).encode()[:-1], "report-cut-off"),
            (gzip.compress(b"{}")[:-1], "report-gzip"),
            (gzip.compress(b" " * 1_000_000), "report-too-large"),
        )
    ],
)
def test_no_report(data, code):
    status, printed = inspect_json(data, "--type=report")
    assert (status, printed["valid"]) == (1, False)
    assert "report" not in printed
    assert code in [finding["code"] for finding in printed["findings"]]
    text = inspect(data, "--type=report").stdout.decode()
    assert text.endswith("input: not a valid TLS report\n")


def hostile(report):
    """The text in every place that takes one."""
    entry = report["policies"][0]
    report["organization-name"] = report["contact-info"] = HOSTILE
    report["report-id"] = HOSTILE
    entry["policy"] = {
        "policy-type": HOSTILE,
        "policy-domain": HOSTILE,
        "policy-string": [HOSTILE],
        "mx-host": [HOSTILE],
    }
    row = entry["failure-details"][0]
    for name in list(row):
        if name != "failed-session-count":
            row[name] = HOSTILE
    row["receiving-mx-helo"] = row["additional-information"] = HOSTILE
    row[HOSTILE] = 1


@pytest.mark.parametrize("options", [(), ("--json",)], ids=["text", "json"])
def test_nothing_is_printed_unescaped(options):
    """Escaped in the input already, so that excerpts of it are plain."""
    done = inspect(changed(hostile), *options)
    assert done.returncode == 1
    text = done.stdout.decode()
    for char in "\x1b\x07\x00\x7f\x9b\r":
        assert char not in text, repr(char)
    if not options:
        assert all(char == "\n" or " " <= char <= "~" for char in text)
        assert "\nDate:" not in text


def test_wrong_type_is_named():
    done = inspect(REPORT, "--type=reports")
    assert done.returncode == 2
    assert b"report" in done.stderr


def test_an_excerpt_steers_no_terminal():
    """C1 controls and marks that turn the order of writing around."""
    record = "v=STSv1; id=a\u202eb\u009bc\ufeffd-é;".encode()
    done = subprocess.run(
        [program("strictmx"), "inspect", "-"],
        input=record,
        capture_output=True,
        check=False,
        env=environment(),
    )
    shown = done.stdout.decode()
    assert "id=a?b?c?d-é;" in shown
    assert not set("\u202e\u009b\ufeff") & set(shown)


def test_the_name_of_a_file_steers_no_terminal(tmp_path):
    """Neither that of a good one nor that of one that is not there."""
    path = tmp_path / "\x1b[31m"
    for text, says in (("v=STSv1; id=1;", b"a valid"), ("v=", b"not a valid"), (None, b"No such")):
        path.unlink(missing_ok=True)
        if text is not None:
            path.write_text(text, encoding="ascii")
        done = subprocess.run(
            [program("strictmx"), "inspect", path],
            capture_output=True, check=False, env=environment(),
        )
        assert says in done.stdout + done.stderr
        assert rb"\x1b[31m: " in done.stdout + done.stderr
        assert b"\x1b" not in done.stdout + done.stderr
