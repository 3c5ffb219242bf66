"""strictmx config, and that strictmxd takes and refuses the same."""

import json
import signal
import subprocess
import tempfile
import pathlib

import pytest

from daemon import environment, program
from netns import wait_until

SENDER = 'contact = "tls@sender.example" '


def config(*words, **how):
    """strictmx config; text."""
    return subprocess.run(
        [program("strictmx"), "config", *words],
        capture_output=True,
        encoding="utf-8",
        env=environment(),
        check=False,
        **how,
    )


@pytest.fixture(name="file")
def fixture_file(tmp_path):
    """The configuration, and what keeps the daemon within the folder."""
    path = tmp_path / "strictmx.conf"

    def write(text):
        path.write_text(
            f'store = "sqlite:{tmp_path}/policies.db"\n'
            f'reports = "sqlite:{tmp_path}/reports.db"\n{text}\n',
            encoding="utf-8",
        )
        return path

    return write


class Daemon:
    """strictmxd, with what it logs."""

    def __init__(self, path):
        self.log = path.parent / "log"
        with self.log.open("wb") as log:
            self.child = subprocess.Popen(
                [program("strictmxd"), "-c", path], stderr=log, env=environment()
            )

    def wait(self, words):
        """Until the log has them."""
        wait_until(lambda: words in self.log.read_text("utf-8"), 10, words)

    def __enter__(self):
        self.wait("is ready")
        return self

    def __exit__(self, *_):
        self.child.terminate()
        assert self.child.wait(20) == 0, self.log.read_text("utf-8")


@pytest.mark.parametrize(
    "text, says",
    [
        ("report { }", "report { }: contact is missing: "),
        ('report { contact = "foo" }', 'report { contact = "foo" }: write a mail'),
        (
            f'report {{ {SENDER} smarthost = "192.0.2.1:25" }}',
            'report { smarthost = "192.0.2.1:25" }: smarthost_tls is "none": ',
        ),
        (
            f'report {{ {SENDER} dkim_keys = {{ "sel:/nonexistent" }} }}',
            "report { dkim_keys }: /nonexistent: No such file",
        ),
        (f'report {{ {SENDER} exclude = {{ "*.a.example" }} }}', 'write ".a.example"'),
    ],
)
def test_check_and_daemon_agree(file, text, says):
    """The same sentence, with file and line, from both."""
    path = file(text)
    done = config("check", "-c", path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"strictmx: {path}:3: ")
    assert says in done.stderr
    started = subprocess.run(
        [program("strictmxd"), "-c", path],
        capture_output=True,
        encoding="utf-8",
        env=environment(),
        check=False,
        timeout=20,
    )
    assert started.returncode == 1
    assert started.stderr.removeprefix("error: ") in done.stderr.replace("strictmx: ", "")
    assert says in started.stderr


def test_reload_refuses_with_file_and_line(file):
    """And says what starts after a restart only."""
    sock = file("").parent / "socket"
    collect = f'collect {{ listen = {{ "unix:{sock}" }} }}\n'
    with Daemon(file(collect)) as daemon:
        daemon.wait("never sent, and stays in")
        path = file('collect {\nsocket_owner = "nosuchuser" }')
        daemon.child.send_signal(signal.SIGHUP)
        daemon.wait("the old configuration stays in use")
        assert f'reload: {path}:4: collect {{ socket_owner = "nosuchuser" }}: ' in (
            daemon.log.read_text("utf-8")
        )
        file(f"{collect} report {{ {SENDER} dry_run = true }}")
        daemon.child.send_signal(signal.SIGHUP)
        daemon.wait("configuration reloaded")
        assert "section report is new: role report starts after the next restart" in (
            daemon.log.read_text("utf-8")
        )
    with Daemon(file(f"{collect} report {{ {SENDER} dry_run = true }}")) as daemon:
        daemon.wait("dry_run is set")
        assert "never sent" not in daemon.log.read_text("utf-8")


def test_what_may_not_be_read_is_not_judged():
    """By somebody who is not root."""
    with tempfile.TemporaryDirectory() as folder:
        key = pathlib.Path(folder) / "key.pem"
        key.write_text("none", encoding="ascii")
        key.chmod(0o600)
        path = pathlib.Path(folder) / "strictmx.conf"
        path.write_text(f'report {{ {SENDER} dkim_keys = {{ "sel:{key}" }} }}', "utf-8")
        path.parent.chmod(0o755)
        done = config("check", "-c", path, user=65534)
        assert done.returncode == 0
        assert done.stdout == f"{path}: valid, but for what could not be checked\n"
        assert f"not checked: {path}:1: report {{ dkim_keys }}: {key}: Permission" in (
            done.stderr
        )
        # Who can read it sees that it is none.
        assert config("check", "-c", path).returncode == 1


def test_show_is_the_same_configuration(file):
    """No role is added, no default becomes a setting, no byte is lost."""
    path = file(
        'collect { }\nreport { contact = "tls@sender.example"\n'
        'organization = "B\u00fccher \\"\\x1b[31m\\n\\${HOME}\u202e$1"\n}'
    )
    shown = config("show", "-c", path).stdout
    assert "\x1b" not in shown and "\u202e" not in shown
    assert "\\x1b[31m\\x0a\\${HOME}\\xe2\\x80\\xae\\$1" in shown
    again = path.with_name("again.conf")
    again.write_text(shown, encoding="utf-8")

    def values(of):
        rows = json.loads(config("show", "--json", "-c", of).stdout)
        return [
            (r["section"], r["name"], r["value"], r["given"], r["origin"] == "default")
            for r in rows
        ]

    assert values(again) == values(path)
    given = {row[0]: row[3] for row in values(path)}
    assert given == {"top": True, "resolve": False, "collect": True, "report": True}
    assert "\x1b" not in config("show", "--json", "-c", path).stdout


def test_check_has_no_json(file):
    """Not passed over in silence."""
    assert config("check", "--json", "-c", file("")).returncode == 2


def test_a_long_path_is_said_to_be_long(file):
    """Not that it were none."""
    path = file(f'collect {{ listen = {{ "unix:/{"x" * 120}" }} }}')
    assert "at most 107 bytes" in config("check", "-c", path).stderr
