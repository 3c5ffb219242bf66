"""A million datagrams from somebody who means harm, to role collect."""

import json
import pathlib
import random
import re
import socket
import subprocess

from daemon import SANITIZER_REPORT, environment, program
from netns import wait_until

COUNT = 1_000_000
KINDS = 4_000
# More than when idle, whatever comes (quality: 64 MiB).
MEMORY_MAX_KB = 64 * 1024

GOOD = {
    "dpv": "1",
    "d": "example.com",
    "pr": "v=TLSRPTv1; rua=mailto:tls@example.com",
    "policies": [
        {
            "policy-type": 2,
            "policy-domain": "example.com",
            "policy-string": ["version: STSv1", "mode: enforce"],
            "mx-host": ["mx.example.com"],
            "failure-details": [{"c": 204, "n": "mx.example.com", "r": "192.0.2.1"}],
            "f": 1,
        }
    ],
}


def mutated(random_, text):
    """Some bytes changed, left out or doubled."""
    data = bytearray(text)
    for _ in range(random_.randint(1, 4)):
        at = random_.randrange(len(data))
        what = random_.randrange(4)
        if what == 0:
            data[at] = random_.randrange(256)
        elif what == 1 and len(data) > 1:
            del data[at]
        elif what == 2:
            data[at:at] = bytes([random_.randrange(256)])
        else:
            del data[max(at, 1) :]
    return bytes(data)


def hostile(random_):
    """All kinds, reproducible."""
    good = json.dumps(GOOD).encode()
    kinds = [
        b"",
        b"\x00" * 1000,
        b"[" * 5000,
        b'{"d":' * 100,
        b'{"d":"' + b"\xff" * 60000,
        good.replace(b"204", b"9" * 400),
        good.replace(b"192.0.2.1", b"\\u0000\\ud800\\n"),
        good.replace(b"mx.example.com", b"\x1b]0;x\x07" * 50),
        good.replace(b'"version: STSv1"', b",".join([b'"x"'] * 500)),
    ]
    while len(kinds) < KINDS:
        what = random_.randrange(4)
        if what == 0:
            kinds.append(random_.randbytes(random_.randrange(1, 300)))
        elif what == 1:
            # A domain, an MX host and a reason of its own each: rows.
            kinds.append(
                good.replace(b"example.com", b"%x.example" % random_.getrandbits(64))
            )
        else:
            kinds.append(mutated(random_, good))
    return kinds


def resident_kb(pid):
    """VmRSS."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1])


def test_a_million(tmp_path):
    """It lives, counts each of them, and needs no more memory than it may."""
    path = tmp_path / "socket"
    config = tmp_path / "strictmx.conf"
    config.write_text(
        f'reports = "sqlite:{tmp_path}/reports.db"\n'
        f'collect {{ listen = {{ "unix:{path}" }} }}\n',
        encoding="utf-8",
    )
    log = tmp_path / "log"
    with log.open("wb") as to:
        child = subprocess.Popen(
            [program("strictmxd"), "-c", config], stderr=to, env=environment()
        )
    try:
        wait_until(path.exists, 20, "the socket")
        idle = resident_kb(child.pid)
        most = idle
        kinds = hostile(random.Random(8460))
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.connect(str(path))
            for i in range(COUNT):
                sock.send(kinds[i % KINDS])
                if i % 50_000 == 0:
                    most = max(most, resident_kb(child.pid))
        assert child.poll() is None
    finally:
        child.terminate()
        status = child.wait(timeout=60)
    text = log.read_text(encoding="utf-8", errors="strict")
    assert status == 0, text[-2000:]
    assert not SANITIZER_REPORT.search(text), text[-2000:]
    # The address sanitizer keeps what was freed for a while.
    if b"__asan_init" not in pathlib.Path(program("strictmxd")).read_bytes():
        assert most - idle < MEMORY_MAX_KB
    counts = re.search(
        r"collect: (\d+) datagrams, \d+ bytes; (\d+) events, (\d+) malformed", text
    )
    datagrams, events, malformed = map(int, counts.groups())
    assert datagrams == COUNT
    assert events + malformed == COUNT
    assert events > COUNT // 10 and malformed > COUNT // 10
    # Nothing of it steers a terminal, and the log is not filled with it.
    assert "\x1b" not in text
    assert len(text.splitlines()) < 200
