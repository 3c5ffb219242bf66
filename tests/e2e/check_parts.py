"""The parts of which the world of `strictmx check` is built.

Certificates right and wrong, zones whose signatures are broken by type,
nginx with every fault a web server can have, and the scripted servers.
"""

import base64
import hashlib
import json
import pathlib
import sys
import threading

import authority
import policyhost
import zones
from netns import run, wait_until

# nginx: the honest one, and three that are not.
WEB = policyhost.ADDRESS
WEB_V6 = policyhost.ADDRESS_V6
WEB_SECOND = "10.80.0.2"
WEB_OLD_TLS = "10.80.0.3"
WEB_REFUSES_NAMES = "10.80.0.4"

# Name servers that have no answer: script -> name and address.
NAME_SERVERS = {
    "dns-servfail": ("ns.servfail.", "10.53.0.2"),
    "dns-silent": ("ns.silent.", "10.53.0.3"),
    "dns-no-mx": ("ns.nomx.", "10.53.0.4"),
}

# A resolver that passes no signatures on.
RESOLVER_WITHOUT_DNSSEC = "10.53.0.54"

# What could reach a terminal if nobody looked: title, clear, colour, a C1 CSI.
HOSTILE = "\x1b]0;owned\x07\x1b[2J\x1b[31m\x9b31m"


# What a server may do in place of showing another certificate.
ALERTS = ("alert", "alert-always")


class Certificates:
    """Every kind of certificate, by the name of what is wrong with it."""

    def __init__(self, folder):
        self._folder = folder / "authority"
        self.trusted = authority.Authority(self._folder / "trusted", "Test Authority")
        self._nobody = authority.Authority(
            self._folder / "nobody", "Nobody's Authority"
        )
        self._between = authority.Authority(
            self._folder / "between", "Test Intermediate", self.trusted
        )
        self._made = {}
        self._making = threading.Lock()

    @property
    def root(self):
        """The one certificate that everybody trusts."""
        return self.trusted.root

    def make(self, kind, *names):
        """A Certificate for these names; the same one when asked again."""
        with self._making:
            done = self._made.get((kind, names))
        if done is None:
            done = getattr(self, f"_make_{kind.replace('-', '_')}")(*names)
            with self._making:
                self._made[kind, names] = done
        return done

    def _make_good(self, *names):
        return self.trusted.issue(*names, days=90)

    def _make_next(self, *names):
        """Another sound one, for after the renewal."""
        return self.trusted.issue(*names, days=90)

    def _make_sooner(self, *names):
        """A sound one that expires before the good one."""
        return self.trusted.issue(*names, days=60)

    def _make_soon(self, *names):
        return self.trusted.issue(*names, clock="-85d", days=90)

    def _make_expired(self, *names):
        return self.trusted.issue(*names, clock="-40d")

    def _make_not_yet(self, *names):
        return self.trusted.issue(*names, clock="+10d")

    def _make_self_signed(self, *names):
        return authority.self_signed(self._folder, names[0])

    def _make_unknown(self, *names):
        return self._nobody.issue(*names, days=90)

    def _make_chain(self, *names):
        """The leaf alone; it says where its issuer's certificate is."""
        where = "authorityInfoAccess=caIssuers;URI:http://ca.hoster.test/between.der"
        return self._between.issue(*names, days=90, extensions=[where])

    def _make_full_chain(self, *names):
        leaf = self.make("chain", *names)
        whole = leaf.cert.with_suffix(".chain.pem")
        whole.write_bytes(leaf.cert.read_bytes() + self._between.root.read_bytes())
        return authority.Certificate(whole, leaf.key)

    def _make_other_name(self, *names):
        return self.trusted.issue("hosting.test", "www.hosting.test", days=90)

    def _make_expired_other_name(self, *names):
        return self.trusted.issue("hosting.test", "www.hosting.test", clock="-40d")

    def _make_cn_only(self, *names):
        return self.trusted.issue(subject=names[0], alt="", days=90)

    def _make_client(self, *names):
        return self.trusted.issue(*names, usage="clientAuth", days=90)

    def _make_hostile(self, *names):
        evil = HOSTILE.encode("latin-1")
        alt = authority.der_dns_names(evil + b".test", b"a\0b.test")
        return self._nobody.issue(subject=HOSTILE, alt=alt, days=90)


def key_sha256(certificate):
    """SHA-256 of the public key, as a TLSA record 3 1 1 has it."""
    pem = run(["openssl", "x509", "-in", certificate.cert, "-pubkey", "-noout"]).stdout
    body = "".join(line for line in pem.splitlines() if not line.startswith("-"))
    return hashlib.sha256(base64.b64decode(body)).hexdigest()


class CheckZone(zones.Zone):
    """A zone in which the signatures of one type can be broken."""

    damaged_type = None

    def _sign(self, plain, fresh):
        super()._sign(plain, fresh)
        if self.damaged_type is None:
            return
        mark = f"\tRRSIG\t{self.damaged_type} "
        lines = fresh.read_text(encoding="utf-8").splitlines()
        damaged = [_damage(line) if mark in line else line for line in lines]
        fresh.write_text("\n".join(damaged) + "\n", encoding="utf-8")


def _damage(line):
    """Change one letter of a signature."""
    head, signature = line.rsplit(" ", 1)
    other = "A" if signature[10] != "A" else "B"
    return f"{head} {signature[:10]}{other}{signature[11:]}"


class CheckDns(zones.Dns):
    """The name servers, and delegations that lead nowhere."""

    zone_class = CheckZone

    def __init__(self, namespace):
        super().__init__(namespace)
        for name, address in NAME_SERVERS.values():
            self.zones["."].set(name, "A", address, ttl=3600)

    def get(self, owner, kind):
        """The data of a full owner name, as set() takes it."""
        return self.zone_of(owner).get(owner.rstrip(".") + ".", kind)

    def delegate(self, name, script):
        """Delegate a name to a server that goes wrong."""
        self.set(name, "NS", NAME_SERVERS[script][0], ttl=3600)


def txt_data(text):
    """A TXT record's data for a zone file, whatever the text is."""
    data = text.encode("utf-8", "surrogateescape")
    parts = [data[i : i + 255] for i in range(0, len(data), 255)] or [b""]
    return " ".join('"' + "".join(map(_escaped, part)) + '"' for part in parts)


def _escaped(byte):
    if 0x20 <= byte < 0x7F and chr(byte) not in '"\\':
        return chr(byte)
    return f"\\{byte:03}"


class WebHosts(policyhost.PolicyHosts):
    """nginx on the honest addresses, and on the others."""

    # How one host answers, in nginx's words.
    ANSWERS = {
        "404": "return 404;",
        "500": "return 500;",
        "redirect": "return 301 https://www.hosting.test$request_uri;",
        "html": "default_type text/html;",
        "gzip": "add_header Content-Encoding gzip;",
    }

    def __init__(self, namespace, certificates):
        self._answers = {}
        super().__init__(namespace, certificates.trusted)
        self.second = self.folder / "second"
        for part in ("certs", "sites"):
            (self.second / part).mkdir(parents=True)

    def answer(self, domain, kind):
        """Let a policy host answer otherwise than with its policy."""
        self._answers[f"mta-sts.{domain}"] = self.ANSWERS[kind]

    def host(self, name, certificate):
        """Serve HTTPS for a host that is not a policy host."""
        self._link(self.folder, name, certificate)

    def publish(self, domain, text, certificate=None, second=False):
        """Serve a policy, or what WEB_SECOND serves in its place."""
        base = self.second if second else self.folder
        host = f"mta-sts.{domain}"
        self._link(base, host, certificate)
        site = base / "sites" / host / ".well-known"
        site.mkdir(parents=True, exist_ok=True)
        fresh = site / "fresh"
        fresh.write_bytes(text)
        fresh.rename(site / "mta-sts.txt")

    def start(self):
        """Write what differs from host to host, then start nginx."""
        blocks = [
            self._server(WEB, self.folder, f"server_name {host}; {words}")
            for host, words in self._answers.items()
        ]
        (self.folder / "answers.conf").write_text("".join(blocks), encoding="ascii")
        super().start()

    def _link(self, folder, host, certificate):
        for ending, source in (("pem", certificate.cert), ("key", certificate.key)):
            link = folder / "certs" / f"{host}.{ending}"
            link.unlink(missing_ok=True)
            link.symlink_to(source)

    @staticmethod
    def _server(address, base, words, protocols="TLSv1.2 TLSv1.3"):
        return f"""server {{
  listen {address}:443 ssl;
  ssl_protocols {protocols};
  ssl_certificate {base}/certs/$ssl_server_name.pem;
  ssl_certificate_key {base}/certs/$ssl_server_name.key;
  root {base}/sites/$host;
  {words}
}}
"""

    def _conf(self):
        more = f"  include {self.folder}/answers.conf;\n"
        more += self._server(WEB_SECOND, self.folder / "second", "")
        old = "ssl_ciphers DEFAULT:@SECLEVEL=0;"
        more += self._server(WEB_OLD_TLS, self.folder, old, "TLSv1 TLSv1.1")
        more += f"server {{ listen {WEB_REFUSES_NAMES}:443 ssl;"
        more += " ssl_reject_handshake on; }\n"
        head, _, tail = super()._conf().rpartition("}")
        return f"{head}{more}}}{tail}"


class Servers:
    """check_servers.py with its list of listeners."""

    def __init__(self, namespace):
        self._namespace = namespace
        self._entries = []

    def add(self, address, port, script, *, certificate=None, named=None, **rest):
        """One more listener; to be called before start()."""
        entry = {"address": address, "port": port, "script": script, **rest}
        if certificate is not None:
            entry["certificate"] = [str(certificate.cert), str(certificate.key)]
        if named is not None:
            pair = named if named in ALERTS else [str(named.cert), str(named.key)]
            entry["named_certificate"] = pair
        self._entries.append(entry)

    def start(self):
        """Start the process."""
        config = self._namespace.folder / "servers.json"
        config.write_text(json.dumps(self._entries), encoding="utf-8")
        script = pathlib.Path(__file__).with_name("check_servers.py")
        self._log = self._namespace.folder / "servers.log"
        self._child = self._namespace.start([sys.executable, script, config], self._log)

    def wait_started(self):
        """Wait until everything listens."""
        wait_until(self._is_ready, 20, "the scripted servers")

    def log(self):
        """What the process wrote."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def peak(self, address, port):
        """The most sessions with a listener that there were at one time."""
        mark = f"peak {address}:{port} "
        lines = [line for line in self.log().splitlines() if line.startswith(mark)]
        return max((int(line.split()[-1]) for line in lines), default=0)

    def _is_ready(self):
        text = self.log()
        if self._child.poll() is not None:
            raise RuntimeError(f"the scripted servers ended:\n{text}")
        return "ready\n" in text
