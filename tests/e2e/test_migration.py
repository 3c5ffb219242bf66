"""Switching from another daemon is one changed line in main.cf, or none.

postfix-tlspol is asked as QUERY or QUERYwithTLSRPT, postfix-mta-sts-resolver
under any name, by its documentation "postfix", on port 8461.
"""

import os
import pathlib

import pytest

from netns import wait_until
from postfix import Sender

PEER_PORT = 8522

PLAIN = "OK secure match=mx.bank.test servername=hostname"
TLSRPT = (
    f"{PLAIN} policy_type=sts policy_domain=bank.test mx_host_pattern=mx.bank.test"
    " { policy_string = version: STSv1 } { policy_string = mode: enforce }"
    " { policy_string = mx: mx.bank.test } { policy_string = max_age: 604800 }"
)

PLAIN_NAMES = ["strictmx-plain", "QUERY", "postfix", "policy", "x", "strictmx2"]
TLSRPT_NAMES = ["strictmx", "QUERYwithTLSRPT"]
DOMAINS = ["bank.test", "shop.test", "club.test", "wild.test", ".test", "[192.0.2.1]"]


@pytest.mark.parametrize("map_name", PLAIN_NAMES)
def test_plain_form(world, map_name):
    """These names get what every Postfix understands."""
    assert world.strictmxd.ask("bank.test", map_name) == PLAIN


@pytest.mark.parametrize("map_name", TLSRPT_NAMES)
def test_tlsrpt_form(world, map_name):
    """These names get the attributes of Postfix 3.10 too."""
    assert world.strictmxd.ask("bank.test", map_name) == TLSRPT


@pytest.mark.parametrize("map_name", PLAIN_NAMES + TLSRPT_NAMES)
@pytest.mark.parametrize("domain", ["shop.test", "club.test"])
def test_nothing_to_enforce(world, map_name, domain):
    """Testing and no policy are the same under every name."""
    assert world.strictmxd.ask(domain, map_name) == "NOTFOUND "


@pytest.fixture(scope="module")
def sender(world):
    """A Postfix whose policy map changes."""
    made = Sender(world.namespace, "migrating", 2531, world.authority.root, None)
    made.wait_started(made.start())
    yield made
    made.stop()


def use_map(sender, map_name):
    """The one changed line."""
    maps = f"socketmap:inet:127.0.0.1:8461:{map_name}"
    sender.run("postconf", "-e", f"smtp_tls_policy_maps = {maps}")
    sender.run("postfix", "reload")


@pytest.mark.parametrize("map_name", ["QUERY", "postfix"])
def test_postfix_with_the_old_name(world, sender, map_name):
    """The line of the other daemon's documentation, and real mail."""
    use_map(sender, map_name)
    delivery, _ = sender.send("teller@bank.test")
    assert delivery.status == "sent" and delivery.is_verified, delivery
    delivery, _ = sender.send("teller@shop.test")
    assert delivery.status == "sent", delivery
    world.wires["bank.test"].set("hijack")
    try:
        delivery, _ = sender.send("teller@bank.test")
    finally:
        world.wires["bank.test"].set("pass")
    assert delivery.status == "deferred", delivery
    assert sender.policy_warnings() == []


@pytest.fixture
def default_daemon(world):
    """A strictmxd without `listen`, in place of the world's on port 8461.

    Its default socket and store would be folders of this machine: it gets
    empty ones of its own, in a mount namespace that ends with it.
    """
    world.strictmxd.check_healthy()
    assert world.strictmxd.stop() == 0
    made = world.daemon("migration-default", listen=None)
    spool = made.folder / "spool"
    (spool / "postfix").mkdir(parents=True)
    script = f"mount --bind {spool} /var/spool && exec \"$@\""
    made.prefix = ["unshare", "--mount", "sh", "-c", script, "sh"]
    made.start()
    made.spool = spool
    yield made
    assert made.stop() == 0
    world.strictmxd.start()


def test_default_listeners(default_daemon, sender):
    """Port 8461, and a socket below the queue directory for group postfix."""
    assert default_daemon.ask("bank.test", "postfix") == PLAIN
    path = default_daemon.spool / "postfix" / "strictmx" / "policy"
    assert default_daemon.query("bank.test", server=f"unix:{path}").text == PLAIN
    assert path.stat().st_mode & 0o777 == 0o660
    assert path.group() == "postfix"
    use_map(sender, "any-name-at-all")
    delivery, _ = sender.send("teller@bank.test")
    assert delivery.is_verified, delivery


@pytest.fixture(scope="module")
def peer(world):
    """Debian's postfix-mta-sts-resolver, on a port of its own."""
    folder = pathlib.Path(world.namespace.folder) / "peer"
    folder.mkdir()
    configuration = folder / "peer.yml"
    configuration.write_text(
        f"host: 127.0.0.1\nport: {PEER_PORT}\n"
        "cache:\n  type: internal\n"
        "default_zone:\n  strict_testing: false\n  timeout: 5\n",
        encoding="ascii",
    )
    environment = {
        "PATH": os.defpath,
        "SSL_CERT_FILE": str(world.authority.root),
        "LC_ALL": "C.UTF-8",
    }
    child = world.namespace.start(
        ["mta-sts-daemon", "-c", configuration], folder / "log", env=environment
    )
    made = world.daemon("migration-peer", port=PEER_PORT)
    # Only its client side is used: the port is the peer's.
    wait_until(lambda: _is_up(made), 20, "postfix-mta-sts-resolver")
    yield made
    child.terminate()
    child.wait(timeout=10)


def _is_up(daemon):
    try:
        daemon.connect(2).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("domain", DOMAINS)
def test_same_answers_as_the_peer(world, peer, domain):
    """Postfix is told the same by both, attribute for attribute."""
    theirs = peer.ask(domain, "postfix")
    ours = world.strictmxd.ask(domain, "postfix")
    assert sorted(ours.split()) == sorted(theirs.split())
