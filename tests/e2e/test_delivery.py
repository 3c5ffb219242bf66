"""Real mail through Debian 12's Postfix: what strictmx is for.

The rows are the demo's; see deliveries.py.
"""

import contextlib
import socket
import threading

import pytest

import deliveries
from daemon import netstring, read_netstring
from netns import wait_until
from policyhost import policy_text
from postfix import Sender

ROWS = [case.name for case in deliveries.honest_cases()]
ROWS += [
    case.name
    for attack in deliveries.ATTACKS
    for case in deliveries.attack_cases(attack)
]
ROWS += ["down-swap", "down-restart", "down-honest", "over"]


@pytest.fixture(scope="module")
def rows(world):
    """The rows of the demo's table by name."""
    return {row.case.name: row for row in deliveries.run_all(world)}


@pytest.mark.parametrize("name", ROWS)
def test_row(rows, name):
    """One mail, honest or attacked, ends as it should."""
    row = rows[name]
    assert row.happened == row.case.expected, row.reason


def test_every_row_is_asserted(rows):
    """A row that is added to the demo has to be added here."""
    assert sorted(rows) == sorted(ROWS)


@pytest.mark.parametrize(
    "name, words",
    [
        ("honest-enforce", "Verified TLS connection established"),
        ("strip-enforce", "TLS is required, but was not offered"),
        ("forge-enforce", "Server certificate not verified"),
        ("swap-enforce", "Server certificate not verified"),
    ],
)
def test_reason(rows, name, words):
    """Postfix gives the reason that an administrator will look for."""
    assert words in rows[name].reason


def test_postfix_version(world):
    """These rows count for the Postfix they were made for."""
    version = world.sender.run("postconf", "-h", "mail_version").stdout
    assert tuple(map(int, version.split(".")[:2])) >= (3, 7)


def test_no_policy_warning(rows, world):
    """Postfix has understood every answer."""
    assert world.sender.policy_warnings() == []


def test_policy_warnings_are_seen(world):
    """An answer that Postfix can't take leaves a line that the tests find."""
    listener = world.namespace.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", 8470))
    listener.listen()
    bad = netstring(b"OK secure match=mx.bank.test no_such_attribute=1")

    def serve():
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    read_netstring(connection)
                    connection.sendall(bad)
                    connection.recv(1)

    threading.Thread(target=serve, daemon=True).start()
    sender = Sender(
        world.namespace,
        "misled",
        2532,
        world.authority.root,
        "socketmap:inet:127.0.0.1:8470:any",
    )
    sender.wait_started(sender.start())
    delivery, _ = sender.send("teller@bank.test")
    sender.stop()
    listener.close()
    assert delivery.status == "deferred"
    assert sender.policy_warnings()


def test_wildcard_policy(world):
    """`mx: *.pool.hoster.test` matches an MX one label below."""
    delivery, _ = world.sender.send("teller@wild.test")
    assert delivery.status == "sent" and delivery.is_verified, delivery


def test_new_policy_is_noticed_while_mail_flows(world):
    """A new id in the DNS: the policy behind it holds from the next mail on."""
    domain = "changing.forms.test"
    world.policy(domain, policy_text("enforce", "mx.hoster.test"), "1")
    world.dns.publish("forms.test")
    daemon = world.daemon("strictmxd-changing", port=8472, recheck="1s")
    daemon.start()
    first = "OK secure match=mx.hoster.test servername=hostname"
    second = "OK secure match=.hoster.test servername=hostname"
    assert daemon.ask(domain) == first
    world.policy(domain, policy_text("enforce", "*.hoster.test"), "2")
    world.dns.publish("forms.test")
    answers = []

    def has_changed():
        answers.append(daemon.ask(domain))
        return answers[-1] == second

    wait_until(has_changed, 20, "the new policy")
    # One or the other at any time, and never none.
    assert set(answers) <= {first, second}
    world.policy(domain, policy_text("none"), "3")
    world.dns.publish("forms.test")
    wait_until(lambda: daemon.ask(domain) == "NOTFOUND ", 20, "mode none")
    assert daemon.stop() == 0


@pytest.fixture(scope="module")
def unix_sender(world):
    """A Postfix with smtp(8) in the queue directory, over the unix socket."""
    sender = Sender(
        world.namespace,
        "unix-sender",
        2530,
        world.authority.root,
        "socketmap:unix:strictmx/policy:strictmx-plain",
        chrooted=True,
    )
    sender.configure()
    etc = sender.queue / "etc"
    etc.mkdir()
    (etc / "resolv.conf").write_text(f"nameserver {world.resolver}\n", "ascii")
    spool = sender.queue / "strictmx"
    spool.mkdir()
    daemon = world.daemon(
        "strictmxd-unix", port=8471, listen=["127.0.0.1:8471", f"unix:{spool}/policy"]
    )
    daemon.start()
    sender.wait_started(sender.start())
    yield sender
    assert daemon.stop() == 0
    sender.stop()


def test_chrooted_smtp_over_unix_socket(world, unix_sender):
    """A socket below the queue directory is reached from Postfix's jail."""
    delivery, _ = unix_sender.send("teller@bank.test")
    assert delivery.status == "sent" and delivery.is_verified, delivery
    world.wires["bank.test"].set("strip")
    try:
        delivery, _ = unix_sender.send("teller@bank.test")
    finally:
        world.wires["bank.test"].set("pass")
    assert delivery.status == "deferred", delivery
    assert unix_sender.policy_warnings() == []
