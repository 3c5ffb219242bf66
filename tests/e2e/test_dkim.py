"""What strictmx signs, another implementation of DKIM accepts: python3-dkim.

It gets the record that strictmx would publish, and refuses whatever was
changed on the way.
"""

import base64
import gzip
import hashlib
import pathlib
import subprocess

import dkim
import pytest

from daemon import environment, program

DOMAIN = "reports.example"
SELECTOR = "2026a"
NOW = 1_790_000_000
ALGORITHMS = {"rsa": "RSA", "ed25519": "ED25519"}

HEADER = b"""\
From: TLS reports <tlsrpt@reports.example>
To: tls@example.com
Subject: Report Domain: example.com Submitter: reports.example\r
 Report-ID: <2026-09-20T00:00:00Z!reports.example>
Date: Mon, 21 Sep 2026 03:04:05 +0000
Message-ID: <1.2@reports.example>
MIME-Version: 1.0
Content-Type: multipart/report; report-type="tlsrpt";\r
\tboundary="=_boundary"
TLS-Report-Domain: example.com
TLS-Report-Submitter: reports.example
TLS-Required: No
Auto-Submitted: auto-generated
X-Other: is not signed
""".replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")

SIGNED = [
    "from", "from", "to", "subject", "date", "message-id", "mime-version",
    "content-type", "tls-report-domain", "tls-report-submitter",
    "tls-required", "auto-submitted",
]


def report():
    """A body as a report has it."""
    noise = "".join(hashlib.sha256(b"%d" % i).hexdigest() for i in range(500))
    packed = base64.encodebytes(gzip.compress(noise.encode(), mtime=0))
    text = (
        b"--=_boundary\nContent-Type: text/plain\n\nA  report.\n.\n..\n\n"
        b"--=_boundary\nContent-Type: application/tlsrpt+gzip\n"
        b"Content-Transfer-Encoding: base64\n\n" + packed + b"--=_boundary--\n"
    )
    return text.replace(b"\n", b"\r\n")


BODIES = {
    "report": report(),
    "empty": b"",
    "only empty lines": b"\r\n\r\n \t\r\n\r\n",
    "no line end": b"text",
    "blanks at the end": b"text \t \r\n\r\n  x\t\ty  \r\n \r\n",
    "blanks and no line end": b"text\r\n \t",
    "blank, no line end": b"text \t",
    "empty lines first": b"\r\n\r\ntext\r\n",
    "dots": b".\r\n..\r\n.x\r\n",
}


class Signer:
    """A key of strictmx."""

    def __init__(self, folder, algorithm):
        self.algorithm = algorithm
        self._key = folder / f"{algorithm}.pem"
        argv = ["openssl", "genpkey", "-quiet", "-algorithm", ALGORITHMS[algorithm]]
        if algorithm == "rsa":
            argv += ["-pkeyopt", "rsa_keygen_bits:2048"]
        subprocess.run([*argv, "-out", self._key], check=True, timeout=60)
        self.record = self._run()

    def _run(self, *args, message=b""):
        tool = pathlib.Path(program("strictmx")).parent / "tests" / "unit" / "dkim_sign"
        return subprocess.run(
            [tool, self._key, *args], input=message, check=True, timeout=60,
            stdout=subprocess.PIPE, env=environment(),
        ).stdout

    def sign(self, message):
        """The message with its signature in front."""
        return self._run(DOMAIN, SELECTOR, str(NOW), message=message) + message

    def lookup(self, name, timeout=5):
        """The DNS, for the verifier."""
        del timeout
        name = name.decode() if isinstance(name, bytes) else name
        assert name.rstrip(".") == f"{SELECTOR}._domainkey.{DOMAIN}"
        return self.record

    def verify(self, message):
        """What the other implementation says."""
        return dkim.verify(message, dnsfunc=self.lookup)


@pytest.fixture(scope="module", params=ALGORITHMS)
def signer(request, tmp_path_factory):
    """Each algorithm in turn."""
    return Signer(tmp_path_factory.mktemp("dkim"), request.param)


def delivered(message):
    """The message as SMTP carries it: there is no line without its end."""
    return message if message.endswith(b"\r\n") else message + b"\r\n"


def change(message, old, new):
    """The message with one thing changed, which was there once."""
    assert message.count(old) == 1
    return message.replace(old, new)


@pytest.mark.parametrize("body", BODIES)
def test_accepted(signer, body):
    """Whatever the body is like."""
    message = signer.sign(HEADER + b"\r\n" + BODIES[body])
    assert signer.verify(delivered(message))


def test_accepted_without_body(signer):
    """Nothing follows the header, or not even the empty line."""
    assert signer.verify(signer.sign(HEADER + b"\r\n"))
    # The verifier gets what a server would add.
    assert signer.verify(signer.sign(HEADER) + b"\r\n")


def test_accepted_with_strange_header(signer):
    """Blanks and folds, several fields of one name, empty values."""
    header = (
        b"from:\t a@reports.example \r\nTO: b\r\nTo:\r\n c\r\n\td  \r\n"
        b"Subject:\r\n \r\n x\r\nDate:\r\nto: \t\r\n"
    )
    assert signer.verify(signer.sign(header + b"\r\ntext\r\n"))


def test_tags(signer):
    """What the signature says it covers."""
    message = signer.sign(HEADER + b"\r\ntext\r\n")
    field = message[: message.index(b"\r\nFrom: ")]
    assert all(len(line) <= 78 for line in field.split(b"\r\n"))
    tags = dkim.util.parse_tag_value(field.partition(b":")[2])
    assert sorted(tags) == sorted(
        [b"v", b"a", b"c", b"d", b"s", b"t", b"h", b"bh", b"b"]
    )
    assert tags[b"a"] == signer.algorithm.encode() + b"-sha256"
    assert tags[b"c"] == b"relaxed/relaxed"
    assert (tags[b"d"], tags[b"s"]) == (DOMAIN.encode(), SELECTOR.encode())
    assert tags[b"t"] == b"%d" % NOW
    names = "".join(tags[b"h"].decode().split()).lower().split(":")
    assert names == SIGNED


CHANGES = {
    "body": (b"report.\r\n", b"repord.\r\n"),
    "attached": (b"+gzip\r\n", b"+zip\r\n"),
    "end": (b"--=_boundary--\r\n", b"--=_boundary--\r\nmore\r\n"),
    "subject": (b"Subject: Report Domain:", b"Subject: Report domain:"),
    "folded line": (b"Report-ID: <2026-09-20", b"Report-ID: <2026-09-21"),
    "recipient": (b"To: tls@", b"To: tlt@"),
    "no TLS-Required": (b"TLS-Required: No\r\n", b""),
    "type": (b"report-type=", b"report-typo="),
    "second From": (b"From: TLS", b"From: x@evil.example\r\nFrom: TLS"),
    "From behind": (b"X-Other:", b"From: x@evil.example\r\nX-Other:"),
    "time": (b"t=%d" % NOW, b"t=%d" % (NOW + 1)),
}


@pytest.mark.parametrize("what", CHANGES)
def test_tampering_is_noticed(signer, what):
    """One change, and the signature doesn't hold."""
    message = signer.sign(HEADER + b"\r\n" + BODIES["report"])
    assert signer.verify(message)
    assert not signer.verify(change(message, *CHANGES[what]))


def test_harmless_changes(signer):
    """What relays do: blanks at line ends, folds, fields that aren't signed."""
    message = signer.sign(HEADER + b"\r\n" + BODIES["report"])
    message = change(message, b"report.\r\n", b"report. \r\n")
    message = change(message, b"Subject: Report Domain:", b"subject:Report\r\n Domain:")
    message = change(message, b"X-Other: is not", b"X-Other: isn't")
    assert signer.verify(b"Received: from a by b\r\n" + message + b"\r\n\r\n")


def test_both_signatures(tmp_path):
    """RSA for all, Ed25519 for those who know it: each holds by itself."""
    message = HEADER + b"\r\n" + BODIES["report"]
    signers = [Signer(tmp_path, name) for name in ALGORITHMS]
    for signer in signers:
        message = signer.sign(message)
    for index, signer in enumerate(reversed(signers)):
        verifier = dkim.DKIM(message)
        assert verifier.verify(idx=index, dnsfunc=signer.lookup)


def test_other_key(signer, tmp_path):
    """A signature by another key is worth nothing."""
    other = Signer(tmp_path, signer.algorithm)
    message = other.sign(HEADER + b"\r\ntext\r\n")
    assert other.verify(message)
    assert not signer.verify(message)
