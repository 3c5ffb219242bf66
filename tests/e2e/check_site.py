"""One domain of the world of `strictmx check`: what it publishes and runs.

A Site is sound in every part; a row of the table changes what it is about.
"$" stands for the domain in every name and text.
"""

import dataclasses
import zlib

import check_parts
from policyhost import policy_text

HOSTER = "mx.hoster.test"
ID = "20260101T000000"
CODING = ("utf-8", "surrogateescape")

# Where the addresses of a kind are.  Their last octets come from the name of
# their owner, so that a new row changes nobody else's golden text.
NETWORKS = {
    "v4": "10.90.",
    "v6": "fd00:90::",
    "refused": "10.91.",
    "refused-v6": "fd00:91::",
    "dropped": "10.92.",
    "unreachable": "10.93.",
    # Outside of this world: there is no route.
    "far-v6": "2001:db8::",
}
NOT_OURS = ("unreachable", "far-v6")

WEB_ADDRESSES = {
    "nginx": check_parts.WEB,
    "nginx-v6": check_parts.WEB_V6,
    "second": check_parts.WEB_SECOND,
    "old-tls": check_parts.WEB_OLD_TLS,
    "refuses-names": check_parts.WEB_REFUSES_NAMES,
}


@dataclasses.dataclass(frozen=True)
class Mx:
    """An MX host of the domain's own."""

    name: str = "mx.$"
    script: str = "smtp"
    certificate: str = "good"
    # The kind of the one that is shown to who names a host; or "alert" for
    # him, or "alert-always".
    named: str | None = None
    # What it calls itself; its name unless given.
    ehlo: str | None = None
    banner: str | None = None
    addresses: tuple = ("v4",)
    # TLSA records: "usage selector matching kind-of-certificate".
    tlsa: tuple = ()
    # The name of the host, where the MX record's is an alias.
    alias_of: str | None = None
    # A delegation of the host's own name to a server that goes wrong.
    lame: str | None = None


@dataclasses.dataclass
class Site:
    """A domain, from its records down to its servers."""

    domain: str
    # At _mta-sts; none of it when empty.
    record: tuple = (f"v=STSv1; id={ID};",)
    record_alias: str | None = None
    # Where the policy is served: keys of WEB_ADDRESSES and NETWORKS, or
    # scripts of check_servers.py.
    web: tuple = ("nginx",)
    web_alias: str | None = None
    web_certificate: str = "good"
    web_answer: str | None = None
    # The body, or what makes one.
    policy: str | bytes | None = None
    mode: str = "enforce"
    max_age: int = 604800
    patterns: tuple | None = None
    extra: tuple = ()
    second_policy: str | None = None
    second_certificate: str = "good"
    # Hosts by name, or of the domain's own.
    mx: tuple = (HOSTER,)
    tlsrpt: tuple = ("v=TLSRPTv1; rua=mailto:tlsrpt@hoster.test",)
    spf: tuple = ("v=spf1 mx -all",)
    dmarc: tuple = ("v=DMARC1; p=reject; rua=mailto:dmarc@hoster.test",)
    # Further records: (owner below the domain or "@", type) -> data.
    records: dict = dataclasses.field(default_factory=dict)
    # Names that are delegated to a server that goes wrong: owner -> script.
    lame: dict = dataclasses.field(default_factory=dict)
    # A name that is a zone of its own: owner -> type of the bad signatures,
    # or "expired" for all of them.
    bogus: dict = dataclasses.field(default_factory=dict)

    def own(self, name):
        """A name or text with the domain in place of "$"."""
        return name.replace("$", self.domain)

    def owner(self, name):
        """The full name of what stands below the domain."""
        return self.domain if name == "@" else f"{name}.{self.domain}"

    @property
    def policy_host(self):
        """The host that senders ask."""
        return f"mta-sts.{self.domain}"

    def mx_names(self):
        """The hosts of the MX records, in the order of their preference."""
        return [self.own(m.name if isinstance(m, Mx) else m) for m in self.mx]

    def own_mx(self):
        """The hosts that are the domain's own."""
        return [m for m in self.mx if isinstance(m, Mx)]

    def body(self):
        """What the policy host serves."""
        text = self.policy
        if text is None:
            names = self.patterns or [n for n in self.mx_names() if n]
            text = policy_text(
                self.mode, *names, max_age=self.max_age, extra=self.extra
            )
        if isinstance(text, bytes):
            return text
        return self.own(text).encode(*CODING)

    def certificates(self):
        """(kind, names) of everything this site will ask for."""
        if self.web:
            yield self.web_certificate, (self.policy_host,)
            if "second" in self.web:
                yield self.second_certificate, (self.policy_host,)
        for mx in self.own_mx():
            host = self.own(mx.name)
            yield mx.certificate, (host,)
            if mx.named not in (None, *check_parts.ALERTS):
                yield mx.named, (host,)

    def address(self, owner, kind):
        """The address of this kind that belongs to a name of ours."""
        number = zlib.crc32(owner.encode())
        high, low = 1 + (number >> 8) % 250, 1 + number % 250
        prefix = NETWORKS[kind]
        if ":" in prefix:
            return f"{prefix}{high:x}:{low:x}"
        return f"{prefix}{high}.{low}"


class Builder:
    """Puts one Site into the world."""

    def __init__(self, world, site):
        self._world = world
        self._site = site
        self._dns = world.dns

    def build(self):
        """Records, policy host and MX hosts."""
        site = self._site
        self._make_zones()
        for name, script in site.lame.items():
            self._dns.delegate(site.owner(name), script)
        self._texts("_smtp._tls", site.tlsrpt)
        self._texts("@", site.spf)
        self._texts("_dmarc", site.dmarc)
        if site.record_alias:
            self._set("_mta-sts", "CNAME", f"{site.own(site.record_alias)}.")
        else:
            self._texts("_mta-sts", site.record)
        self._build_web()
        self._build_mx()
        for (name, kind), data in site.records.items():
            if kind == "TXT":
                self._texts(name, data)
            else:
                self._set(name, kind, *map(site.own, data))

    def _make_zones(self):
        for name, kind in self._site.bogus.items():
            zone = self._dns.add(self._site.owner(name), signed=True)
            if kind == "expired":
                zone.fault = "expired"
            else:
                zone.damaged_type = kind

    def _set(self, name, kind, *data):
        owner = self._site.owner(name)
        if not data:
            return
        if self._site.lame.get("@") == "dns-no-mx":
            self._world.scripted_records.append((owner, kind, list(data)))
        elif not self._is_below_lame(name):
            self._dns.set(owner, kind, *self._dns.get(owner, kind), *data)

    def _is_below_lame(self, name):
        """Whether nsd is not asked for a name, so that it has no records."""
        return any(
            at in ("@", name) or name.endswith(f".{at}") for at in self._site.lame
        )

    def _texts(self, name, texts):
        site = self._site
        self._set(name, "TXT", *(check_parts.txt_data(site.own(t)) for t in texts))

    def _build_web(self):
        site = self._site
        if site.web_alias:
            self._set("mta-sts", "CNAME", f"{site.own(site.web_alias)}.")
        if not site.web:
            return
        make = self._world.certificates.make
        certificate = make(site.web_certificate, site.policy_host)
        self._world.web.publish(site.domain, site.body(), certificate)
        if site.web_answer:
            self._world.web.answer(site.domain, site.web_answer)
        for spot in site.web:
            address = self._web_address(spot, certificate)
            if not site.web_alias:
                self._set("mta-sts", _address_type(address), address)

    def _web_address(self, spot, certificate):
        site = self._site
        if spot == "second":
            text = site.second_policy
            body = site.body() if text is None else site.own(text).encode(*CODING)
            other = self._world.certificates.make(
                site.second_certificate, site.policy_host
            )
            self._world.web.publish(site.domain, body, other, second=True)
        if spot in WEB_ADDRESSES:
            return WEB_ADDRESSES[spot]
        address = site.address(site.policy_host, spot if spot in NETWORKS else "v4")
        if spot in NETWORKS:
            self._world.claim(address, spot)
        else:
            self._world.claim(address, "v4")
            self._world.servers.add(address, 443, spot, certificate=certificate)
        return address

    def _build_mx(self):
        site = self._site
        for number, name in enumerate(site.mx_names()):
            self._set("@", "MX", f"{10 + 10 * number} {name}.")
        for mx in site.own_mx():
            self._build_mx_host(mx)

    def _build_mx_host(self, mx):
        site = self._site
        name = site.own(mx.name)
        if mx.lame:
            self._dns.delegate(name, mx.lame)
            return
        host = name
        if mx.alias_of:
            host = site.own(mx.alias_of)
            self._dns.set(name, "CNAME", f"{host}.")
        make = self._world.certificates.make
        certificate = make(mx.certificate, name)
        for kind in mx.addresses:
            address = site.address(name, kind)
            self._world.claim(address, kind)
            key = (host, _address_type(address))
            self._dns.set(*key, *self._dns.get(*key), address)
            if kind in ("v4", "v6"):
                self._add_server(address, mx, name, certificate)
        tlsa = [self._tlsa(words, certificate, name) for words in mx.tlsa]
        self._dns.set(f"_25._tcp.{name}", "TLSA", *tlsa)

    def _add_server(self, address, mx, name, certificate):
        named = mx.named
        if named not in (None, *check_parts.ALERTS):
            named = self._world.certificates.make(named, name)
        rest = {"name": mx.ehlo or name}
        if mx.banner is not None:
            rest["banner"] = mx.banner
        self._world.servers.add(
            address, 25, mx.script, certificate=certificate, named=named, **rest
        )

    def _tlsa(self, words, certificate, name):
        """A TLSA record's data: "3 1 1 here" is the certificate in use."""
        *numbers, kind = words.split()
        if kind != "here":
            certificate = self._world.certificates.make(kind, name)
        return " ".join([*numbers, check_parts.key_sha256(certificate)])


def _address_type(address):
    return "AAAA" if ":" in address else "A"
