"""The DNS of the world: nsd as authority, unbound as everybody's resolver.

One nsd holds the root, two top-level domains and all zones below, signed and
unsigned.  Records change at run time: edit the zone, then publish().  unbound
only iterates and keeps nothing longer than a second: who validates is the
program under test, and an attack on a zone is seen at once.
"""

import os
import pathlib
import socket
import time

import dns.exception
import dns.message
import dns.query
import dns.rdatatype

from netns import run, wait_until

AUTHORITY_ADDRESS = "10.53.0.1"
# Those that every resolver knows as root servers: inside the namespace they
# are ours. With some of them missing, an iterating resolver fails by chance.
ROOT_SERVER_ADDRESSES = [
    "198.41.0.4",
    "199.9.14.201",
    "170.247.170.2",
    "192.33.4.12",
    "199.7.91.13",
    "192.203.230.10",
    "192.5.5.241",
    "192.112.36.4",
    "198.97.190.53",
    "192.36.148.17",
    "192.58.128.30",
    "193.0.14.129",
    "199.7.83.42",
    "202.12.27.33",
]
RESOLVER_ADDRESS = "10.53.0.53"
SERVER_NAME = "ns.rootserver."

# Old enough to be expired for every validator, young enough for ldns.
EXPIRED_FROM = "20200101"
EXPIRED_UNTIL = "20200201"


def txt(text, split=None):
    """A TXT record's data; split cuts it into character-strings."""
    step = split or 255
    parts = [text[i : i + step] for i in range(0, len(text), step)] or [""]
    escaped = [p.replace("\\", "\\\\").replace('"', '\\"') for p in parts]
    return " ".join(f'"{p}"' for p in escaped)


class Zone:
    """One zone file: records by owner name and type, signed or not."""

    def __init__(self, folder, name, signed):
        self.name = name.rstrip(".") + "."
        self.signed = signed
        # "expired" signs in the past, "damaged" breaks the TXT signatures.
        self.fault = None
        self._folder = pathlib.Path(folder)
        self._records = {}
        self._serial = 0
        self._key = self._make_key() if signed else None

    @property
    def stem(self):
        """File name of the zone without ending."""
        return self._folder / (self.name.rstrip(".") or "root")

    @property
    def file(self):
        """The file that nsd reads."""
        return pathlib.Path(f"{self.stem}.zone")

    def set(self, owner, kind, *data, ttl=1):
        """Replace the records of one name and type; no data removes them."""
        key = (self.absolute(owner), kind)
        if data:
            self._records[key] = (ttl, list(data))
        else:
            self._records.pop(key, None)

    def get(self, owner, kind):
        """The data of one name and type, as set() takes it."""
        return list(self._records.get((self.absolute(owner), kind), (0, []))[1])

    def absolute(self, owner):
        """An owner name with its final dot: "@" and "www" are relative."""
        if owner == "@":
            return self.name
        if owner.endswith("."):
            return owner
        return f"{owner}.{self.name}" if self.name != "." else f"{owner}."

    def ds(self):
        """The DS records the parent must publish."""
        text = pathlib.Path(f"{self._key}.ds").read_text(encoding="ascii")
        return [line.split("DS")[1].strip() for line in text.splitlines()]

    def dnskey(self):
        """The key as a trust anchor file holds it."""
        return pathlib.Path(f"{self._key}.key").read_text(encoding="ascii")

    def write(self):
        """Write the zone file, signed when the zone is."""
        self._serial += 1
        lines = [
            f"{self.name} 1 IN SOA {SERVER_NAME} hostmaster.test. "
            f"{self._serial} 3600 600 86400 1",
            f"{self.name} 3600 IN NS {SERVER_NAME}",
        ]
        for (owner, kind), (ttl, data) in self._records.items():
            lines += [f"{owner} {ttl} IN {kind} {value}" for value in data]
        plain = pathlib.Path(f"{self.stem}.plain")
        plain.write_text("\n".join(lines) + "\n", encoding="utf-8")
        fresh = pathlib.Path(f"{self.stem}.fresh")
        if self.signed:
            self._sign(plain, fresh)
        else:
            plain.rename(fresh)
        # nsd compares modification times: make sure that they differ.
        now = time.time_ns()
        os.utime(fresh, ns=(now, now))
        fresh.rename(self.file)

    def _make_key(self):
        made = run(
            ["ldns-keygen", "-a", "ECDSAP256SHA256", "-k", "-r", "/dev/urandom"]
            + [self.name],
            cwd=self._folder,
        )
        return self._folder / made.stdout.strip().splitlines()[-1]

    def _sign(self, plain, fresh):
        argv = ["ldns-signzone", "-f", fresh, "-o", self.name]
        if self.fault == "expired":
            argv += ["-i", EXPIRED_FROM, "-e", EXPIRED_UNTIL]
        run([*argv, plain, self._key])
        if self.fault == "damaged":
            text = fresh.read_text(encoding="utf-8")
            damaged = [_damage(line) for line in text.splitlines()]
            fresh.write_text("\n".join(damaged) + "\n", encoding="utf-8")


def _damage(line):
    """Change one letter of a signature over TXT records."""
    if "\tRRSIG\tTXT " not in line:
        return line
    head, signature = line.rsplit(" ", 1)
    other = "A" if signature[10] != "A" else "B"
    return f"{head} {signature[:10]}{other}{signature[11:]}"


class Dns:
    """nsd and unbound with their zones."""

    zone_class = Zone

    def __init__(self, namespace):
        self._namespace = namespace
        self.folder = namespace.folder / "dns"
        self.folder.mkdir()
        self.zones = {}
        self._nsd_conf = self.folder / "nsd.conf"
        self._unbound_conf = self.folder / "unbound.conf"
        self.add(".", signed=True)
        self.zones["."].set(SERVER_NAME, "A", AUTHORITY_ADDRESS, ttl=3600)

    @property
    def trust_anchor(self):
        """The root key, in the form of /usr/share/dns/root.key."""
        return self.folder / "root.key"

    def add(self, name, signed):
        """Add a zone and its delegation, before start()."""
        zone = self.zone_class(self.folder, name, signed)
        self.zones[name] = zone
        parent = self._parent_of(name)
        if parent is not None:
            parent.set(zone.name, "NS", SERVER_NAME, ttl=3600)
            if signed:
                parent.set(zone.name, "DS", *zone.ds(), ttl=3600)
        return zone

    def _parent_of(self, name):
        if name == ".":
            return None
        rest = name.partition(".")[2]
        return self.zones[rest] if rest in self.zones else self.zones["."]

    def zone_of(self, domain):
        """The zone that a name is in."""
        name = domain.rstrip(".")
        while name and name not in self.zones:
            name = name.partition(".")[2]
        return self.zones[name or "."]

    def set(self, owner, kind, *data, ttl=1):
        """Replace records by full owner name; takes effect at publish()."""
        self.zone_of(owner).set(owner.rstrip(".") + ".", kind, *data, ttl=ttl)

    def start(self):
        """Write everything and start both servers."""
        for zone in self.zones.values():
            zone.write()
        self.trust_anchor.write_text(self.zones["."].dnskey(), encoding="ascii")
        self._write_nsd_conf()
        self._write_unbound_conf()
        self._namespace.start(
            ["nsd", "-d", "-c", self._nsd_conf], self.folder / "nsd.log"
        )
        self._namespace.start(
            ["unbound", "-d", "-p", "-c", self._unbound_conf],
            self.folder / "unbound.log",
        )
        wait_until(
            lambda: self.answers(RESOLVER_ADDRESS, "test."), 15, "the name servers"
        )

    def publish(self, *names):
        """Put changed zones into force, all of them when none is named."""
        for name in names or self.zones:
            self.zones[name].write()
        for name in names or self.zones:
            self._control("nsd-control", self._nsd_conf, "reload", name)
        wanted = [self.zones[name] for name in names or self.zones]
        wait_until(
            lambda: all(self._serves(zone) for zone in wanted), 10, "nsd's reload"
        )
        # Whatever the resolver still knows of the old zones has to go.
        self._control("unbound-control", self._unbound_conf, "flush_zone", ".")
        # This holds only what no second has passed over: servers it thinks lame.
        self._control("unbound-control", self._unbound_conf, "flush_infra", "all")

    def answers(self, server, name):
        """Whether a server answers a SOA query."""
        return _ask_soa(self._namespace, server, name) is not None

    def _serves(self, zone):
        return _ask_soa(self._namespace, AUTHORITY_ADDRESS, zone.name) == zone._serial

    def _control(self, program, conf, *words):
        self._namespace.run([program, "-c", conf, *words])

    def _write_nsd_conf(self):
        lines = [
            "server:",
            f"  ip-address: {AUTHORITY_ADDRESS}",
            *(f"  ip-address: {address}" for address in ROOT_SERVER_ADDRESSES),
            '  username: ""',
            '  database: ""',
            "  server-count: 1",
            "  hide-version: yes",
            # The tests ask hundreds of things in a second.
            "  rrl-ratelimit: 0",
            f'  pidfile: "{self.folder}/nsd.pid"',
            f'  zonesdir: "{self.folder}"',
            f'  xfrdfile: "{self.folder}/xfrd.state"',
            f'  xfrdir: "{self.folder}"',
            f'  zonelistfile: "{self.folder}/zone.list"',
            "remote-control:",
            "  control-enable: yes",
            f"  control-interface: {self.folder}/nsd.sock",
        ]
        for name, zone in self.zones.items():
            lines += ["zone:", f'  name: "{name}"', f'  zonefile: "{zone.file}"']
        self._nsd_conf.write_text("\n".join(lines) + "\n", encoding="ascii")

    def _write_unbound_conf(self):
        # It does not give up a silent server: who asks while others have been
        # waiting for it would hear of a failure, and not wait in vain.
        hints = self.folder / "root.hints"
        hints.write_text(
            f". 3600 NS {SERVER_NAME}\n{SERVER_NAME} 3600 A {AUTHORITY_ADDRESS}\n",
            encoding="ascii",
        )
        text = f"""server:
  interface: {RESOLVER_ADDRESS}
  access-control: 0.0.0.0/0 allow
  username: ""
  chroot: ""
  directory: "{self.folder}"
  pidfile: "{self.folder}/unbound.pid"
  use-syslog: no
  module-config: "iterator"
  root-hints: "{hints}"
  do-ip6: no
  do-not-query-localhost: no
  qname-minimisation: no
  cache-max-ttl: 1
  cache-max-negative-ttl: 1
  infra-host-ttl: 1
  infra-keep-probing: yes
  outbound-msg-retry: 32
  local-zone: "test." nodefault
  local-zone: "invalid." nodefault
remote-control:
  control-enable: yes
  control-interface: {self.folder}/unbound.sock
  control-use-cert: no
"""
        self._unbound_conf.write_text(text, encoding="ascii")


def _ask_soa(namespace, server, name):
    """The serial of a zone according to a server, None without an answer."""
    query = dns.message.make_query(name, dns.rdatatype.SOA)
    with namespace.socket(kind=socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        try:
            reply = dns.query.udp(query, server, timeout=0.3, sock=sock)
        except (OSError, dns.exception.DNSException):
            return None
    return next((rrset[0].serial for rrset in reply.answer), None)
