"""What reports need beside the small internet: mail hosts that are wrong in
every way, a Postfix 3.10 that tells how TLS went, a strictmxd whose clock can
be moved, and the places that reports go to.

    10.26.0.1-9    one Postfix, each address with a certificate of its own
    10.26.1.1      the mailbox that reports are mailed to
    10.26.2.1-     report servers (HTTPS)
    10.26.9.53     unbound again, but validating: DANE needs it
"""

import base64
import contextlib
import hashlib
import json
import os
import pathlib
import socket
import sqlite3
import struct
import time

import dns.query
import dns.rdatatype
import dns.message

import zones
from authority import self_signed
from daemon import SANITIZER_REPORT, Strictmxd, environment, program
from netns import run, wait_until
from policyhost import policy_text
from postfix import Receiver
from trixie import TrixieSender

DAY = 86400

SUBMITTER = "sender.rpt.test"
CONTACT = f"tls-reports@{SUBMITTER}"
ORGANIZATION = 'Sender "&" <Söhne>'

REPORTS_HOST = "reports.rpt.test"
REPORTS_ADDRESS = "10.26.2.1"
MAILBOX_DOMAIN = "mailbox.rpt.test"
MAILBOX_ADDRESS = "10.26.1.1"
VALIDATOR = "10.26.9.53"
RUA_HTTPS = f"https://{REPORTS_HOST}/v1/tls?a=b"
RUA_MAIL = f"mailto:tls@{MAILBOX_DOMAIN}"

SENDER_PORT = 2550
DANE_SENDER_PORT = 2551

# What dispatch waits after midnight, and how it retries.
GRACE = 6 * 60
BACKOFF = 5 * 60
LEASE = 30 * 60


class Clock:
    """The wall clock of a strictmxd; its other clock goes on as it is.

    It begins at noon of the next day: a certificate made today is valid
    then, and midnight is far.
    """

    def __init__(self, file):
        self.file = file
        now = time.time()
        self.noon = (int(now) // DAY + 1) * DAY + DAY // 2
        self.write(self.noon)

    @property
    def day(self):
        """The first day, since the epoch."""
        return self.noon // DAY

    @property
    def midnight(self):
        """The end of the first day."""
        return (self.day + 1) * DAY

    def set(self, when):
        """Let it be this time now, in seconds since the epoch."""
        self.write(when)
        # It is read once a second (io/clock.c).
        time.sleep(1)

    def write(self, when):
        """The same, for a daemon that is not running."""
        self.offset = when - time.time()
        offset = struct.pack("=q", int(self.offset * 1e9))
        descriptor = os.open(self.file, os.O_WRONLY | os.O_CREAT, 0o644)
        # In place: it is mapped.
        os.pwrite(descriptor, offset, 0)
        os.close(descriptor)

    def now(self):
        """What it shows."""
        return time.time() + self.offset

    def advance(self, seconds):
        """Move it on, for a daemon that is not running."""
        self.write(self.now() + seconds)


class Reporter(Strictmxd):
    """A strictmxd with other roles, and a clock that can be moved."""

    def __init__(self, world, name, *, collect=None, report=None):
        self.roles = ["collect", "report"]
        folder = world.namespace.folder / name
        self.socket = folder / "socket"
        self.sections = {
            "collect": {"listen": [f"unix:{self.socket}"], **(collect or {})},
            "report": {
                "contact": CONTACT,
                "organization": ORGANIZATION,
                "spread": "0s",
                "ehlo": SUBMITTER,
                "allow_private_addresses": True,
                **(report or {}),
            },
        }
        super().__init__(world, name)
        self.clock = Clock(self.folder / "clock")
        self.reports = self.folder / "store" / "reports.db"

    def write_configuration(self, text=None):
        """The sections collect and report follow that of resolve."""
        if text is None:
            parts = {"resolve": self.settings, **self.sections}
            text = (
                f'store = "sqlite:{self.store}"\nlog_level = "debug"\n'
                f'reports = "sqlite:{self.folder}/store/reports.db"\n'
            )
            for name, settings in parts.items():
                lines = "".join(f"    {k} = {_value(v)}\n" for k, v in settings.items())
                text += f"{name} {{\n{lines}}}\n"
        super().write_configuration(text)

    def launch(self):
        """Start its roles and don't wait."""
        self._log_start = len(self.log())
        built = pathlib.Path(program("strictmxd")).parent
        env = {
            **environment(),
            # libfaketime does not get on with sanitizers.
            "LD_PRELOAD": str(built / "tests" / "e2e" / "moved_clock.so"),
            "MOVED_CLOCK": str(self.clock.file),
        }
        self.child = self.world.namespace.start(
            [program("strictmxd"), "-c", str(self.configuration), *self.roles],
            self.log_file,
            env=env,
        )

    def check_log(self):
        """No sanitizer or assertion has spoken."""
        report = SANITIZER_REPORT.search(self.log())
        assert not report, self.log()[report.start() :]

    def send(self, domain, *failures, rua=RUA_HTTPS, times=1):
        """Tell it of sessions, as libtlsrpt does."""
        policy = {"policy-type": 2, "policy-domain": domain, "f": int(any(failures))}
        if failures:
            policy["failure-details"] = list(failures)
        record = f"v=TLSRPTv1; rua={rua}"
        datagram = json.dumps({"d": domain, "pr": record, "policies": [policy]})
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            for _ in range(times):
                sock.sendto(datagram.encode(), str(self.socket))

    def wait_counts(self, domain, success, failure=0):
        """Wait until they are in the store."""

        def is_counted():
            try:
                return self.counts(domain) == (success, failure)
            except sqlite3.OperationalError:
                # It is being made this moment.
                return False

        wait_until(
            is_counted,
            10,
            f"{success} + {failure} sessions with {domain}",
        )

    def jump(self, when):
        """Let it be this time when it starts again: faster than to wait until
        it looks at the clock."""
        assert self.stop() == 0, self.log()
        self.clock.write(when)
        self.start()

    def after_midnight(self):
        """Let the first day be over."""
        self.jump(self.clock.midnight + GRACE + 1)

    def advance(self, seconds):
        """Jump on."""
        self.jump(self.clock.now() + seconds)

    def wait_delivery(self, domain, state, attempts=None, uri=None):
        """Wait until a delivery stands so; returns its detail."""

        def find():
            for name, where, is_state, made, detail in self.deliveries():
                if name == domain and is_state == state and uri in (None, where):
                    if attempts in (None, made):
                        return (detail,)
            return None

        try:
            return wait_until(find, 20, f"{domain} in state {state}")[0]
        except TimeoutError as late:
            raise AssertionError(f"{late}: {self.deliveries()}\n{self.log()}") from late

    def rows(self, sql, *values):
        """What the store of reports says."""
        where = f"file:{self.reports}?mode=ro"
        with contextlib.closing(sqlite3.connect(where, uri=True)) as db:
            return db.execute(sql, values).fetchall()

    def counts(self, domain):
        """(successes, failures) of a domain, all days and policies."""
        ((success, failure),) = self.rows(
            "SELECT ifnull(sum(success), 0), ifnull(sum(failure), 0) FROM policy "
            "JOIN domain_day d ON d.id = domain_day WHERE domain = ?",
            domain,
        )
        return success, failure

    def deliveries(self):
        """(domain, uri, state, attempts, detail) of all reports."""
        return self.rows(
            "SELECT domain, uri, state, attempts, detail FROM delivery "
            "JOIN domain_day d ON d.id = domain_day ORDER BY domain, uri"
        )


def _value(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "{ " + ", ".join(_value(v) for v in value) + " }"
    if isinstance(value, int):
        return str(value)
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


class TlsrptSender(TrixieSender):
    """Postfix 3.10 that tells how TLS went; the socket is below its queue."""

    SOCKET = "strictmx/tlsrpt"

    def __init__(self, world, name, port, policy_maps, **settings):
        super().__init__(
            world,
            name,
            port,
            policy_maps,
            smtp_tlsrpt_enable="yes",
            smtp_tlsrpt_socket_name=self.SOCKET,
            smtp_tls_enforce_sts_mx_patterns="yes",
            **settings,
        )

    @property
    def socket(self):
        """The same path, as strictmxd has it."""
        return self.queue / self.SOCKET

    def configure(self):
        """The daemon's folder must let the users of another Debian in."""
        super().configure()
        self.socket.parent.mkdir(mode=0o755, exist_ok=True)


WAITING, DONE, GIVEN_UP = range(3)  # enum smx_delivery_state

# Mail hosts: the last number of the address. "stray" is one that no policy
# allows, "clear" has no STARTTLS.
HOSTS = {
    "good": 1,
    "clear": 2,
    "expired": 3,
    "wrong": 4,
    "selfsigned": 5,
    "unknownca": 6,
    "stray": 7,
}


def mx_address(host):
    """Address of a mail host."""
    return f"10.26.0.{HOSTS[host]}"


def mx_name(host):
    """Its name."""
    return f"{host}.mx.rpt.test"


class ReportSite:
    """Mail hosts, domains and the mailbox, in a world that is up."""

    def __init__(self, world, with_mail=True):
        self.world = world
        self.namespace = world.namespace
        self._policies = {}
        self._add_addresses()
        # Nothing is lost in here; it is fixed when a socket is made.
        self.namespace.run(["sysctl", "-q", "-w", "net.unix.max_dgram_qlen=512"])
        if with_mail:
            self._start_receivers()
            self._set_hosts()
            self._start_validator()

    def _add_addresses(self):
        addresses = [f"10.26.0.{n}" for n in range(1, 10)]
        addresses += [f"10.26.2.{n}" for n in range(1, 10)]
        addresses += [MAILBOX_ADDRESS, VALIDATOR]
        there = self.namespace.run(["ip", "-o", "addr"]).stdout
        fresh = [a for a in addresses if f" {a}/" not in there]
        if fresh:
            self.namespace.add_addresses(fresh)

    def domain(self, name, host, mode=None, pattern=None, rua=RUA_HTTPS):
        """A domain whose mail goes to that host; publish() comes after.

        mode   of its policy; None: it has none
        rua    of its TLS reporting record; None: it has none
        """
        world = self.world
        world.dns.set(name, "MX", f"10 {mx_name(host)}.")
        if rua is not None:
            record = zones.txt(f"v=TLSRPTv1; rua={rua}")
            world.dns.set(f"_smtp._tls.{name}", "TXT", record)
        if mode is not None:
            self._policies[name] = policy_text(mode, pattern or mx_name(host))

    def publish(self):
        """Put what was set into force."""
        hosts = [f"mta-sts.{name}" for name in self._policies]
        if hosts:
            certificate = self.world.authority.issue(*hosts)
            for name, text in self._policies.items():
                self.world.policy(name, text, certificate=certificate)
            self._policies = {}
        self.world.dns.publish("rpt.test", "tlsa.test")

    def txt(self, name, timeout=5):
        """A TXT record, as dkimpy asks for it."""
        query = dns.message.make_query(name.decode(), dns.rdatatype.TXT)
        with self.namespace.socket(kind=socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            reply = dns.query.udp(query, self.world.resolver, timeout, sock=sock)
        return next((b"".join(r.strings) for a in reply.answer for r in a), None)

    def _start_receivers(self):
        world, folder = self.world, self.namespace.folder
        good = world.authority.issue(
            *(mx_name(host) for host in HOSTS), "mx.tlsa.test"
        )
        self.certificate = good
        certificates = {
            "good": good,
            "clear": None,
            "expired": world.authority.issue(mx_name("expired"), clock="-40d"),
            "wrong": world.authority.issue("other.example"),
            "selfsigned": self_signed(folder, mx_name("selfsigned")),
            "unknownca": world.nobodys_authority.issue(mx_name("unknownca")),
            "stray": good,
        }
        self.mail = Receiver(
            self.namespace,
            "mx-rpt",
            "ehlo.rpt.test",
            None,
            {mx_address(h): c for h, c in certificates.items()},
        )
        self.mailbox = Receiver(
            self.namespace,
            "mailbox",
            f"mx.{MAILBOX_DOMAIN}",
            [MAILBOX_DOMAIN],
            # Nobody can trust it: a report arrives all the same.
            {MAILBOX_ADDRESS: self_signed(folder, f"mx.{MAILBOX_DOMAIN}")},
        )
        started = [(r, r.start()) for r in (self.mail, self.mailbox)]
        for receiver, child in started:
            receiver.wait_started(child)

    def _set_hosts(self):
        dns_ = self.world.dns
        for host in HOSTS:
            dns_.set(mx_name(host), "A", mx_address(host))
        dns_.set("mx.tlsa.test", "A", mx_address("good"))
        dns_.set(f"mx.{MAILBOX_DOMAIN}", "A", MAILBOX_ADDRESS)
        dns_.set(MAILBOX_DOMAIN, "MX", f"10 mx.{MAILBOX_DOMAIN}.")
        dns_.set(REPORTS_HOST, "A", REPORTS_ADDRESS)

    def _start_validator(self):
        """Postfix takes the AD bit of its resolver for DANE."""
        folder = self.namespace.folder / "validator"
        folder.mkdir()
        hints = self.world.dns.folder / "root.hints"
        (folder / "unbound.conf").write_text(
            f"""server:
  interface: {VALIDATOR}
  access-control: 0.0.0.0/0 allow
  username: ""
  chroot: ""
  directory: "{folder}"
  pidfile: "{folder}/unbound.pid"
  use-syslog: no
  module-config: "validator iterator"
  trust-anchor-file: "{self.world.dns.trust_anchor}"
  root-hints: "{hints}"
  do-ip6: no
  do-not-query-localhost: no
  cache-max-ttl: 1
  cache-max-negative-ttl: 1
  infra-host-ttl: 1
  local-zone: "test." nodefault
remote-control:
  control-enable: no
""",
            encoding="ascii",
        )
        self.namespace.start(
            ["unbound", "-d", "-p", "-c", folder / "unbound.conf"], folder / "log"
        )
        resolv = folder / "resolv.conf"
        resolv.write_text(f"nameserver {VALIDATOR}\n", encoding="ascii")
        self.validating_resolv = resolv
        wait_until(
            lambda: self.world.dns.answers(VALIDATOR, "test."), 15, "the validator"
        )

    def tlsa(self):
        """The data of a TLSA record 3 1 1 for the good certificate."""
        file = self.certificate.cert
        pem = run(["openssl", "x509", "-in", file, "-noout", "-pubkey"])
        body = "".join(pem.stdout.strip().splitlines()[1:-1])
        return f"3 1 1 {hashlib.sha256(base64.b64decode(body)).hexdigest()}"
