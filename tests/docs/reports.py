"""docs/reports.md: every finding about TLS reports with its severity, every
limit, and none that does not exist."""

import re
import unittest

import check
import project
from project import ROOT

PAGE = ROOT / "docs/reports.md"

# The rows of "Limits", and the constants that they tell.
LIMITS = {
    "MiB of a report": "SMX_GZ_INFLATED_MAX",
    "MiB of a report, compressed": "SMX_GZ_BYTES_MAX",
    "times as long when inflated": "SMX_GZ_RATIO_MAX",
    "levels of objects and arrays": "SMX_JSON_DEPTH_MAX",
    "octets of a text": "SMX_TLSRPT_READ_TEXT_MAX",
    "policies": "SMX_TLSRPT_READ_POLICIES_MAX",
    "rows of failures, of all policies": "SMX_TLSRPT_READ_FAILURES_MAX",
    "lines of policy-string and mx-host, of all policies": "SMX_TLSRPT_READ_LINES_MAX",
}


def raised():
    """{code: severity} of what the reader of reports can raise."""
    constants = set()
    for path in (ROOT / "src").glob(check.OF_REPORTS):
        text = path.read_text(encoding="utf-8")
        constants |= set(re.findall(r"\bSMX_DIAG_(REPORT_\w+)", text))
    rows = project.table(check.DIAG.read_text(encoding="utf-8"), "SMX_DIAG_ROW")
    return {row[1]: row[2].lower() for row in rows if row[0] in constants}


def page(heading):
    """The rows of the table below a heading."""
    return check.table(check.parts(PAGE.read_text(encoding="utf-8"), "##")[heading])


class Reports(unittest.TestCase):
    """The tables, and what is built."""

    maxDiff = None

    def test_findings(self):
        rows = page("The findings")
        told = {row[0]: row[1] for row in rows}
        self.assertGreater(len(told), 50)
        self.assertEqual(len(told), len(rows), "a code is there twice")
        self.assertEqual(told, raised())

    def test_rows_are_whole(self):
        for row in page("The findings"):
            self.assertEqual(len(row), 4, row)
            self.assertTrue(row[2] and row[3], row)

    def test_every_row_is_raised(self):
        rows = project.table(check.DIAG.read_text(encoding="utf-8"), "SMX_DIAG_ROW")
        codes = {row[1] for row in rows if row[0].startswith("REPORT_")}
        self.assertEqual(codes, set(raised()))

    def test_limits(self):
        values = check.constants()
        told = dict(page("Limits"))
        self.assertEqual(told.keys(), LIMITS.keys())
        for what, constant in LIMITS.items():
            value = values[constant].removesuffix(" MiB")
            self.assertEqual(told[what], value, constant)


if __name__ == "__main__":
    unittest.main()
