"""Golden text: what `strictmx check` writes, kept in files.

    STRICTMX_GOLDEN=write pytest tests/e2e/test_check.py

writes them anew; look at the difference before it is committed.
"""

import os
import pathlib
import re

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "golden" / "check"

# What differs from run to run, and what stands for it.
CHANGING = (
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?Z?"), "TIME"),
    (re.compile(r"\b\d{4}-\d\d-\d\d\b(?!;)"), "DATE"),
    # Those of the world itself are of midnight.
    (re.compile(r"\b20\d{6}T(?!0{6})\d{6}Z?\b"), "NEWID"),
    (re.compile(r"\(\d+ days?\b"), "(N days"),
    (re.compile(r"\b([0-9a-f]{2}:){7,}[0-9a-f]{2}\b", re.I), "FINGERPRINT"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "SHA256"),
    (re.compile(r"\b[0-9a-f]{16}(?=\.\.\.)"), "SHA256"),
    (re.compile(r"\b\d+ (ms|milliseconds)\b"), "N ms"),
    (re.compile(r"\b\d+\.\d+ s\b"), "N s"),
    (re.compile(r"\bOpenSSL/[\d.]+\b"), "OpenSSL"),
    # curl's word for it, in Debian 12 and in 13.
    (re.compile(r"\b(OpenSSL|TLS connect error)(?=: error:)"), "OpenSSL"),
)


def plain(text):
    """The text without what changes."""
    for pattern, word in CHANGING:
        text = pattern.sub(word, text)
    return text


def path(name):
    """The file of one row."""
    return FOLDER / f"{name}.txt"


def is_writing():
    """Whether the files are to be made anew."""
    return os.environ.get("STRICTMX_GOLDEN") == "write"


def expected(name, text):
    """What is in the file; when it is to be written, it is written first."""
    if is_writing():
        FOLDER.mkdir(parents=True, exist_ok=True)
        path(name).write_text(plain(text), encoding="utf-8")
    return path(name).read_text(encoding="utf-8")
