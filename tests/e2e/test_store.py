"""What is on disk: kills, damage, full disks; and reload and shutdown."""

import concurrent.futures
import contextlib
import datetime
import json
import pathlib
import random
import signal
import socket
import sqlite3
import time

import pytest

import dnsfault
from daemon import netstring
from netns import run, wait_until
from policyhost import policy_text

POLICY = policy_text("enforce", "mx.hoster.test", "*.pool.hoster.test")
ANSWER = "OK secure match=mx.hoster.test:.pool.hoster.test servername=hostname"
NONE = "NOTFOUND "
KILL_ROUNDS = 40
PER_ROUND = 6
PORT = 8510


@pytest.fixture(scope="module")
def domains(world):
    """Domains with a policy that nobody has asked about, to be popped."""
    names = [f"kept{number}.forms.test" for number in range(420)]
    certificate = world.authority.issue(*(f"mta-sts.{name}" for name in names))
    for name in names:
        world.policy(name, POLICY, certificate=certificate)
    world.dns.publish("forms.test")
    return names


@pytest.fixture
def daemon(world, request):
    """A daemon with a store of its own, not started; stopped at the end."""
    made = world.daemon(f"store-{request.node.name.partition('[')[0]}", port=PORT)
    for old in made.store.parent.iterdir():
        old.unlink()
    made.log_file.unlink(missing_ok=True)
    yield made
    if made.child is not None:
        made.check_healthy()
        assert made.stop() == 0, made.log()


def remember(daemon, domains, count=5):
    """Let a running daemon find some policies; returns their domains."""
    names = [domains.pop() for _ in range(count)]
    for name in names:
        assert daemon.ask(name) == ANSWER, daemon.log()
    return names


def stored(daemon):
    """The policies on disk; every one has to be whole."""
    rows = daemon.export_policies()
    for domain, row in rows.items():
        assert row["domain"] == domain and row["id"] == "1", row
        assert row["policy"] == POLICY
        datetime.datetime.strptime(row["fetched_at"], "%Y-%m-%dT%H:%M:%SZ")
    return rows


def test_restart(daemon, domains):
    """Policies outlive a clean restart, and are not fetched again."""
    daemon.start()
    names = remember(daemon, domains)
    assert daemon.stop() == 0
    assert set(names) <= set(stored(daemon))
    daemon.settings["forwarders"] = ["10.53.0.99"]
    daemon.write_configuration()
    daemon.start()
    for name in names:
        assert daemon.ask(name) == ANSWER


def test_kill_during_writes(daemon, domains):
    """SIGKILL at random moments: nothing on disk is half or lost."""
    # Not seeded: each run tries other moments; they are in the message.
    moments = []
    on_disk = set()
    for _ in range(KILL_ROUNDS):
        daemon.start()
        names = [domains.pop() for _ in range(PER_ROUND)]
        moments.append(random.uniform(0, 0.15))
        _ask_until_killed(daemon, names, moments[-1])
        rows = set(stored(daemon))
        # What was on disk once is there for good.
        assert on_disk <= rows, moments
        on_disk = rows
    # Not every moment came before the first write.
    assert on_disk, moments
    daemon.start()
    assert f"{len(on_disk)} policies in the cache, 0 expired, 0 refused" in daemon.log()
    assert "put aside" not in daemon.log()
    for name in on_disk:
        assert daemon.ask(name) == ANSWER


def test_kill_during_start(daemon, domains):
    """SIGKILL while the store is made, opened and read."""
    moments = []
    for _ in range(30):
        daemon.launch()
        moments.append(random.uniform(0, 0.06))
        began = time.monotonic()
        wait_until(lambda: time.monotonic() - began > moments[-1], 5, "the moment")
        daemon.kill()
    daemon.start()
    names = remember(daemon, domains, 3)
    assert daemon.stop() == 0
    assert set(names) == set(stored(daemon)), moments
    assert "put aside" not in daemon.log()


def _ask_until_killed(daemon, names, moment):
    """Ask from several threads, and kill after a moment."""

    def ask(name):
        with contextlib.suppress(OSError, EOFError):
            daemon.ask(name)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        began = time.monotonic()
        for name in names:
            pool.submit(ask, name)
        wait_until(lambda: time.monotonic() - began > moment, 5, "the moment")
        daemon.kill()


def test_second_instance_is_refused(daemon, domains, world):
    """Who comes second on a store is told so, and the first goes on."""
    daemon.start()
    second = world.daemon("store-second", port=PORT + 1)
    second.store = daemon.store
    second.write_configuration()
    second.launch()
    assert second.child.wait(timeout=20) != 0
    second.child = None
    assert str(daemon.store) in second.log()
    assert "ready" not in second.log()
    remember(daemon, domains, 2)


def test_address_taken_is_refused(daemon, world):
    """The message names the address."""
    daemon.start()
    second = world.daemon("store-address", port=PORT)
    second.launch()
    assert second.child.wait(timeout=20) != 0
    second.child = None
    assert f"127.0.0.1:{PORT}" in second.log()
    assert daemon.ask("nobody.test") == NONE


def test_unix_socket_in_use_is_refused(daemon, world):
    """A socket somebody listens on is not taken away from him."""
    path = daemon.folder / "socket"
    daemon.settings["listen"].append(f"unix:{path}")
    daemon.write_configuration()
    daemon.start()
    second = world.daemon("store-socket", port=PORT + 1)
    second.settings["listen"] = [f"unix:{path}"]
    second.write_configuration()
    second.launch()
    assert second.child.wait(timeout=20) != 0
    second.child = None
    assert str(path) in second.log()
    answer = daemon.query("nobody.test", server=f"unix:{path}")
    assert answer.text == NONE


def test_stale_unix_socket_is_replaced(daemon):
    """What a killed daemon has left behind is no obstacle."""
    path = daemon.folder / "socket"
    daemon.settings["listen"].append(f"unix:{path}")
    daemon.write_configuration()
    daemon.start()
    daemon.kill()
    assert path.is_socket()
    daemon.start()
    assert daemon.query("nobody.test", server=f"unix:{path}").text == NONE
    assert daemon.stop() == 0
    assert not path.exists()


def test_read_only_directory_is_refused(daemon):
    """A store that can't be written is found out at start."""
    run(["mount", "-t", "tmpfs", "-o", "size=1m,ro", "none", daemon.store.parent])
    try:
        daemon.launch()
        assert daemon.child.wait(timeout=20) != 0
        daemon.child = None
        assert str(daemon.store) in daemon.log()
    finally:
        run(["umount", daemon.store.parent])


def test_directory_that_is_a_file_is_refused(daemon):
    """The same for a path that leads nowhere."""
    daemon.store.parent.rmdir()
    daemon.store.parent.write_text("no directory", encoding="ascii")
    try:
        daemon.launch()
        assert daemon.child.wait(timeout=20) != 0
        daemon.child = None
        assert str(daemon.store) in daemon.log()
    finally:
        daemon.store.parent.unlink()
        daemon.store.parent.mkdir()


def _overwrite_all(data):
    return b"This is no database. " * (len(data) // 21 + 1)


def _cut_in_half(data):
    return data[: len(data) // 2]


def _noise_in_the_middle(data):
    middle = len(data) // 2
    return data[: middle - 2048] + b"\xa5" * 4096 + data[middle + 2048 :]


def _noise_behind_the_header(data):
    return data[:100] + b"\xff" * 4000 + data[4100:]


@pytest.mark.parametrize(
    "damage",
    [_overwrite_all, _cut_in_half, _noise_in_the_middle, _noise_behind_the_header],
)
def test_damaged_file_is_put_aside(daemon, domains, damage):
    """Damage is told, the file kept for whom it concerns, and work goes on."""
    daemon.start()
    # Enough for many pages: the damage has to hit something.
    names = remember(daemon, domains, 12)
    assert daemon.stop() == 0
    daemon.store.write_bytes(damage(daemon.store.read_bytes()))
    for log in daemon.store.parent.glob("*-wal"):
        log.unlink()
    daemon.start()
    daemon.wait_log("put aside")
    asides = [p for p in daemon.store.parent.iterdir() if "damaged" in p.name]
    assert asides
    # New ones and those that were lost can be had and kept.
    names += remember(daemon, domains, 2)
    for name in names:
        assert daemon.ask(name) == ANSWER
    assert daemon.stop() == 0
    assert set(names) == set(stored(daemon))
    start = len(daemon.log())
    daemon.start()
    assert "put aside" not in daemon.log()[start:]


def test_flipped_byte_in_a_policy_is_noticed(daemon, domains):
    """Another word in a policy on disk is not taken for the policy."""
    daemon.start()
    names = remember(daemon, domains, 3)
    assert daemon.stop() == 0
    # After a clean stop all is in the main file.
    data = daemon.store.read_bytes()
    assert data.count(b"mode: enforce") == 3
    daemon.store.write_bytes(data.replace(b"mode: enforce", b"mode: unforce", 1))
    daemon.start()
    daemon.wait_log("damaged")
    for name in names:
        assert daemon.ask(name) == ANSWER


def test_file_of_a_newer_version_is_refused(daemon, domains):
    """It is left alone: a downgrade must not destroy anything."""
    daemon.start()
    remember(daemon, domains, 1)
    assert daemon.stop() == 0
    with contextlib.closing(sqlite3.connect(daemon.store)) as database:
        database.execute("PRAGMA user_version = 99")
    before = daemon.store.read_bytes()
    daemon.launch()
    assert daemon.child.wait(timeout=20) != 0
    daemon.child = None
    assert str(daemon.store) in daemon.log()
    assert daemon.store.read_bytes() == before


def test_file_of_another_program_is_refused(daemon):
    """Somebody else's database is not written to."""
    with contextlib.closing(sqlite3.connect(daemon.store)) as database:
        database.execute("CREATE TABLE treasure (gold INTEGER)")
        database.commit()
    before = daemon.store.read_bytes()
    daemon.launch()
    assert daemon.child.wait(timeout=20) != 0
    daemon.child = None
    assert daemon.store.read_bytes() == before


def test_disk_full(daemon, domains):
    """A full disk stops no answer, and is made up for when there is room."""
    run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", daemon.store.parent])
    try:
        daemon.start()
        names = remember(daemon, domains, 2)
        filler = daemon.store.parent / "filler"
        with contextlib.suppress(OSError):
            with open(filler, "wb", buffering=0) as out:
                while True:
                    out.write(b"x" * 4096)
        # More than what is left of a page or two.
        names += remember(daemon, domains, 30)
        daemon.wait_log("(?m)^error: store: .* can't be written")
        daemon.check_healthy()
        for name in names:
            assert daemon.ask(name) == ANSWER
        filler.unlink()
        daemon.wait_log("is written again")
        daemon.kill()
        assert set(names) == set(stored(daemon))
    finally:
        if daemon.child is not None:
            daemon.kill()
        run(["umount", daemon.store.parent])


def test_cache_tool_refuses_a_running_daemons_store(daemon, domains):
    """Export and import are for a stopped daemon, and say so."""
    daemon.start()
    remember(daemon, domains, 1)
    for verb in ("export", "import"):
        path = daemon.folder / "none.jsonl"
        path.write_text("", encoding="ascii")
        done = daemon.tool("cache", verb, str(path))
        assert done.returncode not in (0, 1), done.stdout
        assert str(daemon.store) in done.stdout


def test_import(daemon):
    """Good lines are taken, bad ones named, older ones left out."""
    good = {"domain": "a.example", "id": "2", "policy": POLICY}
    lines = [
        {**good, "fetched_at": _days_ago(1)},
        {**good, "fetched_at": _days_ago(2), "id": "1"},
        {**good, "fetched_at": _days_ago(1), "domain": "b.example"},
        {**good, "fetched_at": _days_ago(1), "domain": "not a domain"},
        {**good, "fetched_at": _days_ago(1), "policy": "version: STSv2\r\n"},
        {**good, "fetched_at": "yesterday"},
        {"domain": "c.example"},
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    path = daemon.folder / "import.jsonl"
    path.write_text(text + "this is no JSON\n" + "[" * 10000 + "\n", encoding="ascii")
    done = daemon.tool("cache", "import", str(path))
    assert done.returncode == 1, done.stdout
    for number in (4, 5, 6, 7, 8, 9):
        assert f"{path}:{number}" in done.stdout
    rows = daemon.export_policies()
    assert {name: row["id"] for name, row in rows.items()} == {
        "a.example": "2",
        "b.example": "2",
    }
    daemon.start()
    assert daemon.ask("a.example") == ANSWER


def _days_ago(days):
    then = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days)
    return then.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_expired_policy_is_dropped(daemon):
    """What is older than its max_age protects no longer."""
    entries = [("old.example", "1", _days_ago(9), POLICY)]
    entries += [("young.example", "1", _days_ago(5), POLICY)]
    assert daemon.import_policies(entries).returncode in (0, 1)
    daemon.start()
    assert daemon.ask("old.example") == NONE
    assert daemon.ask("young.example") == ANSWER


BAD_CONFIGURATIONS = {
    "syntax": "resolve {\n",
    "unknown-key": 'resolve {\n    listenn = { "127.0.0.1:1" }\n}\n',
    "bad-address": 'resolve {\n    listen = { "localhost:port" }\n}\n',
    "bad-span": 'resolve {\n    recheck = "soon"\n}\n',
    "bad-choice": 'resolve {\n    on_dns_failure = "panic"\n}\n',
    "no-such-ca-file": 'resolve {\n    ca_file = "/nonexistent/ca.pem"\n}\n',
    "empty-line-then-noise": "\n\x00\x01\x02\n",
}


@pytest.mark.parametrize("name", BAD_CONFIGURATIONS)
def test_bad_configuration_at_reload(daemon, domains, name):
    """The old configuration stays, and the log says what is wrong."""
    daemon.start()
    names = remember(daemon, domains, 1)
    start = len(daemon.log())
    daemon.write_configuration(
        f'store = "sqlite:{daemon.store}"\n' + BAD_CONFIGURATIONS[name]
    )
    daemon.signal(signal.SIGHUP)
    daemon.wait_log("(?m)^error: .*$", start=start)
    names += remember(daemon, domains, 1)
    for known in names:
        assert daemon.ask(known) == ANSWER
    daemon.write_configuration()
    start = len(daemon.log())
    daemon.signal(signal.SIGHUP)
    daemon.wait_log("reloaded", start=start)
    remember(daemon, domains, 1)


@pytest.mark.parametrize("name", BAD_CONFIGURATIONS)
def test_bad_configuration_at_start(daemon, name):
    """At start it is refused, with the file's name."""
    daemon.write_configuration(
        f'store = "sqlite:{daemon.store}"\n' + BAD_CONFIGURATIONS[name]
    )
    daemon.launch()
    assert daemon.child.wait(timeout=20) != 0
    daemon.child = None
    assert "ready" not in daemon.log()
    assert "error: " in daemon.log()


def test_unknown_key_names_the_nearest(daemon):
    """A typing mistake is easy to find."""
    daemon.write_configuration(BAD_CONFIGURATIONS["unknown-key"])
    done = daemon.tool("config", "check")
    assert done.returncode != 0
    assert f"{daemon.configuration}:2" in done.stdout
    assert '"listen"' in done.stdout or "listen?" in done.stdout


def test_reload_moves_listeners(daemon, domains, world):
    """New listeners are opened, old ones closed, kept ones not touched."""
    other = PORT + 1
    daemon.start()
    names = remember(daemon, domains, 1)
    with daemon.connect() as kept:
        daemon.settings["listen"] = [daemon.address, f"127.0.0.1:{other}"]
        _reload(daemon)
        answer = daemon.query(names[0], server=f"127.0.0.1:{other}")
        assert answer.text == ANSWER
        daemon.settings["listen"] = [f"127.0.0.1:{other}"]
        _reload(daemon)
        with pytest.raises(ConnectionRefusedError):
            daemon.connect().close()
        # Who is connected is not thrown out.
        kept.sendall(netstring(f"strictmx-plain {names[0]}".encode()))
        assert kept.recv(1000) == netstring(ANSWER.encode())
        daemon.settings["listen"] = [daemon.address]
        _reload(daemon)
    assert daemon.ask(names[0]) == ANSWER


def test_failed_reload_opens_nothing(daemon, domains):
    """What a faulty configuration has of new listeners is not left open."""
    other = PORT + 1
    daemon.start()
    names = remember(daemon, domains, 1)
    before = dict(daemon.settings)
    daemon.settings["listen"] = [f"127.0.0.1:{other}"]
    daemon.settings["ca_file"] = "/nonexistent/ca.pem"
    daemon.write_configuration()
    start = len(daemon.log())
    daemon.signal(signal.SIGHUP)
    daemon.wait_log("the old configuration stays in use", start=start)
    with pytest.raises(ConnectionRefusedError):
        daemon.world.namespace.connect(("127.0.0.1", other), 15).close()
    assert daemon.ask(names[0]) == ANSWER
    daemon.settings.clear()
    daemon.settings.update(before)


def _reload(daemon):
    daemon.write_configuration()
    start = len(daemon.log())
    daemon.signal(signal.SIGHUP)
    daemon.wait_log("configuration reloaded", start=start)


def test_reload_storm(daemon, domains):
    """Five hundred reloads while it works."""
    daemon.start()
    names = remember(daemon, domains, 1)
    for number in range(500):
        daemon.signal(signal.SIGHUP)
        if number % 10 == 0:
            assert daemon.ask(names[0]) == ANSWER
    remember(daemon, domains, 3)


def test_sigterm_in_the_middle_of_everything(daemon, domains, world):
    """Fetches under way, clients waiting: the end is clean and quick."""
    forwarder = dnsfault.Forwarder(world.namespace, "10.53.0.61", world.resolver)
    for number in range(50):
        forwarder.script(f"_mta-sts.w{number}.faults.test", "TXT", dnsfault.silence)
    forwarder.start()
    daemon.settings["forwarders"] = [forwarder.address]
    daemon.write_configuration()
    daemon.start()
    names = remember(daemon, domains)
    waiting = []
    try:
        for number in range(50):
            sock = daemon.connect()
            sock.sendall(netstring(f"strictmx-plain w{number}.faults.test".encode()))
            waiting.append(sock)
        wait_until(
            lambda: forwarder.asked("_mta-sts.w49.faults.test", "TXT"), 10, "look-ups"
        )
        assert daemon.stop() == 0, daemon.log()
    finally:
        for sock in waiting:
            sock.close()
        forwarder.stop()
    assert set(names) <= set(stored(daemon))


def test_systemd_is_notified(daemon):
    """READY=1 when it answers, STOPPING=1 at the end."""
    path = pathlib.Path(daemon.folder) / "notify"
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(path))
        sock.settimeout(10)
        daemon.prefix = ["env", f"NOTIFY_SOCKET={path}"]
        daemon.start()
        assert b"READY=1" in sock.recv(4096)
        assert daemon.stop() == 0
        assert b"STOPPING=1" in sock.recv(4096)
