#!/usr/bin/python3
"""A small internet in a network namespace.

    10.53.0.1      nsd: the root, test., example. and what is below
    10.53.0.53     unbound: the resolver of all Postfix instances
    10.80.0.1      nginx: every honest policy host
    10.25.N.1      the public address of mail host N, in truth a wire
    10.25.N.10     the mail host itself
    10.66.0.1-3    the attacker's mail server: certificate of nobody's
                   authority; a good one for its own name; no STARTTLS
    127.0.0.1      the sending hosts, and strictmxd on port 8461

Nothing of it can be seen from outside, and no address outside can be reached.
Run as a program it takes a world down that was left up: `world.py down NAME`.
"""

import concurrent.futures
import pathlib
import signal
import sys

import authority
import netns
import policyhost
import zones
from daemon import Strictmxd
from postfix import Receiver, Sender

ATTACKER = "10.66.0.1"
ATTACKER_WITH_GOOD_CERTIFICATE = "10.66.0.2"
ATTACKER_WITHOUT_TLS = "10.66.0.3"
ATTACKER_HOST = "mx.evil.test"

# name: (policy mode, number of its network)
DOMAINS = {"bank.test": ("enforce", 1), "shop.test": ("testing", 2)}
HOSTER = "hoster.test"
HOSTER_NETWORK = 3

SENDER_PORT = 2525
PLAIN_SENDER_PORT = 2526


class Wire:
    """The path to one mail host; see wire.py."""

    def __init__(self, namespace, name, address, server):
        self.folder = namespace.folder / "wires"
        self.folder.mkdir(exist_ok=True)
        self.state_file = self.folder / name
        self.loot_file = self.folder / f"{name}.loot"
        self.set("pass")
        self._argv = [sys.executable, pathlib.Path(__file__).with_name("wire.py")]
        self._argv += [f"--listen={address}", f"--server={server}"]
        self._argv += [f"--attacker={ATTACKER}", f"--state={self.state_file}"]
        self._argv += [f"--loot={self.loot_file}"]
        self._namespace = namespace
        self._address = address

    def start(self):
        """Start carrying."""
        self._namespace.start(self._argv, self.folder / "log")

    def wait_started(self):
        """Wait until it takes connections."""
        netns.wait_until(self._is_up, 15, f"the wire at {self._address}")

    def set(self, state):
        """pass, strip or hijack, from the next connection on."""
        self.state_file.write_text(f"{state}\n", encoding="ascii")

    def was_read(self, token):
        """Whether the attacker has read a mail with this word in it."""
        if not self.loot_file.exists():
            return False
        return token.encode() in self.loot_file.read_bytes()

    def _is_up(self):
        try:
            self._namespace.connect((self._address, 25), timeout=2).close()
        except OSError:
            return False
        return True


class World:
    """Everything above; use it as a context manager."""

    def __init__(self, tag="", map_name="strictmx-plain", progress=None):
        self.namespace = netns.Namespace(tag)
        self.resolver = zones.RESOLVER_ADDRESS
        self.map_name = map_name
        self._say = progress or (lambda text: None)
        self._kept = False

    def __enter__(self):
        netns.destroy_stale()
        try:
            self._build()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def keep(self):
        """Leave everything up at the end."""
        self._kept = True
        self.namespace.keep()

    def close(self):
        """Take the world down, whatever state it is in."""
        if self._kept:
            return
        self._say("taking it all down")
        # A second Ctrl-C must not stop the cleaning up.
        impatience = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
        signal.pthread_sigmask(signal.SIG_BLOCK, impatience)
        try:
            self.namespace.destroy()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, impatience)

    def daemon(self, name, **settings):
        """A strictmxd of this world, not yet started."""
        return Strictmxd(self, name, **settings)

    def policy(self, domain, text, sts_id="1", certificate=None):
        """Publish a policy: host, address and record; call dns.publish()."""
        self.policy_hosts.publish(domain, text, certificate)
        self.dns.set(f"mta-sts.{domain}", "A", policyhost.ADDRESS)
        self.dns.set(f"_mta-sts.{domain}", "TXT", zones.txt(f"v=STSv1; id={sts_id};"))

    def mx_is(self, domain, host):
        """Change the MX record of a domain: the forger's work, and its undoing."""
        self.dns.set(domain, "MX", f"10 {host}.")
        self.dns.publish(self.dns.zone_of(domain).name.rstrip(".") or ".")

    def _build(self):
        self._say("network namespace with its own addresses")
        self.namespace.create(self.resolver)
        self.namespace.add_addresses(self._addresses())
        self.authority = authority.Authority(
            self.namespace.folder / "authority", "Test Authority"
        )
        self.nobodys_authority = authority.Authority(
            self.namespace.folder / "nobody", "Nobody's Authority"
        )
        self._say("mail hosts, an attacker, two senders (Postfix)")
        starting = self._start_mail()
        self._say("DNS with signed and unsigned zones (nsd, unbound)")
        self.dns = zones.Dns(self.namespace)
        self._make_zones()
        self._say("policy hosts (nginx) with a private authority")
        self.policy_hosts = policyhost.PolicyHosts(self.namespace, self.authority)
        self._publish_policies()
        self.dns.start()
        self.policy_hosts.start()
        self._say("strictmxd")
        self.strictmxd = self.daemon(
            "strictmxd",
            listen=["127.0.0.1:8461", f"unix:{self.unix_socket}"],
        )
        self.strictmxd.start()
        for instance, child in starting:
            instance.wait_started(child)
        for wire in self.wires.values():
            wire.wait_started()

    @property
    def unix_socket(self):
        """The daemon's socket below the queue directory of `unix_sender`."""
        return self.namespace.folder / "strictmxd" / "policy"

    def _addresses(self):
        addresses = [zones.AUTHORITY_ADDRESS, zones.RESOLVER_ADDRESS]
        addresses += zones.ROOT_SERVER_ADDRESSES
        addresses += [policyhost.ADDRESS, policyhost.ADDRESS_V6]
        addresses += [ATTACKER, ATTACKER_WITH_GOOD_CERTIFICATE, ATTACKER_WITHOUT_TLS]
        for network in (1, 2, HOSTER_NETWORK):
            addresses += [f"10.25.{network}.1", f"10.25.{network}.10"]
        return addresses

    def _start_mail(self):
        """Create and start all Postfix instances at the same time."""
        self.receivers = {}
        self.wires = {}
        for domain, (_, network) in DOMAINS.items():
            self._add_receiver(domain, f"mx.{domain}", [domain], network)
        self._add_receiver(HOSTER, f"mx.{HOSTER}", None, HOSTER_NETWORK)
        self.attacker = Receiver(
            self.namespace,
            "attacker",
            ATTACKER_HOST,
            None,
            {
                ATTACKER: self.nobodys_authority.issue(
                    *(f"mx.{domain}" for domain in DOMAINS), ATTACKER_HOST
                ),
                ATTACKER_WITH_GOOD_CERTIFICATE: self.authority.issue(ATTACKER_HOST),
                ATTACKER_WITHOUT_TLS: None,
            },
        )
        self.sender = Sender(
            self.namespace,
            "sender",
            SENDER_PORT,
            self.authority.root,
            f"socketmap:inet:127.0.0.1:8461:{self.map_name}",
        )
        self.plain_sender = Sender(
            self.namespace,
            "plain-sender",
            PLAIN_SENDER_PORT,
            self.authority.root,
            None,
        )
        everyone = [*self.receivers.values(), self.attacker]
        everyone += [self.sender, self.plain_sender]
        with concurrent.futures.ThreadPoolExecutor() as pool:
            started = list(pool.map(lambda instance: instance.start(), everyone))
        for wire in self.wires.values():
            wire.start()
        return list(zip(everyone, started))

    def _add_receiver(self, name, hostname, domains, network):
        server = f"10.25.{network}.10"
        names = [hostname, f"a.pool.{HOSTER}"] if name == HOSTER else [hostname]
        certificate = self.authority.issue(*names)
        self.receivers[name] = Receiver(
            self.namespace,
            f"mx-{name.partition('.')[0]}",
            hostname,
            domains,
            {server: certificate},
        )
        self.wires[name] = Wire(
            self.namespace, name, f"10.25.{network}.1", server
        )

    def _make_zones(self):
        self.dns.add("test", signed=True)
        self.dns.add("example", signed=True)
        # Signed and unsigned ones, so that validation has both to do.
        for name, signed in (
            ("bank.test", True),
            ("shop.test", False),
            (HOSTER, True),
            ("club.test", False),
            ("wild.test", True),
            ("forms.test", False),
            ("evil.test", False),
            ("faults.test", False),
            ("signed.test", True),
            ("expired.test", True),
            ("damaged.test", True),
            # Those of test_reports.py.
            ("rpt.test", False),
            ("tlsa.test", True),
        ):
            self.dns.add(name, signed)
        self.dns.zones["expired.test"].fault = "expired"
        self.dns.zones["damaged.test"].fault = "damaged"
        for domain, (_, network) in DOMAINS.items():
            self.dns.set(domain, "MX", f"10 mx.{domain}.")
            self.dns.set(f"mx.{domain}", "A", f"10.25.{network}.1")
        for domain, host in (
            ("club.test", f"mx.{HOSTER}"),
            ("wild.test", f"a.pool.{HOSTER}"),
        ):
            self.dns.set(domain, "MX", f"10 {host}.")
            self.dns.set(host, "A", f"10.25.{HOSTER_NETWORK}.1")
        self.dns.set(ATTACKER_HOST, "A", ATTACKER)
        self.dns.set("mx2.evil.test", "A", ATTACKER_WITH_GOOD_CERTIFICATE)
        self.dns.set("mx3.evil.test", "A", ATTACKER_WITHOUT_TLS)

    def _publish_policies(self):
        for domain, (mode, _) in DOMAINS.items():
            text = policyhost.policy_text(mode, f"mx.{domain}")
            self.policy(domain, text, "20260101T000000")
        wild = policyhost.policy_text("enforce", f"*.pool.{HOSTER}")
        self.policy("wild.test", wild)


def main(words):
    """The command line: list, or down NAME."""
    if words == ["list"]:
        for folder in sorted(netns.world_folder("x").parent.glob("strictmx-*.world")):
            print(folder.name[: -len(".world")])
    elif len(words) == 2 and words[0] == "down":
        if not words[1].startswith(netns.PREFIX):
            print(f"{words[1]} is no world of ours", file=sys.stderr)
            return 2
        netns.destroy(words[1])
    else:
        print("usage: world.py list | world.py down NAME", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
