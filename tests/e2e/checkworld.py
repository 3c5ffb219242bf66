#!/usr/bin/python3
"""The world of `strictmx check`: one domain for each class of failure.

    checkworld.py run [ARGUMENT...]  raise the world, run `strictmx check` with
                                     these arguments inside, take it down
    checkworld.py list               the domains, with what is wrong with each

A network namespace of its own, with:

    10.53.0.1      nsd: the root, test. (unsigned), example. (signed), and more
    10.53.0.2-4    name servers that have no answer
    10.53.0.53     unbound: the resolver that is asked
    10.53.0.54     the same behind a router that passes no signatures on
    10.80.0.1-4    nginx: honest policy hosts, and three that are not
    10.25.0.1-3    Postfix: the MX hosts that are sound
    10.90.0.0/16   scripted servers, an address for each domain that needs one
    10.91.0.0/16   addresses at which nobody listens
    10.92.0.0/16   behind a firewall that drops everything
    10.93.0.0/16   there is no route

Most of them have IPv6 addresses in fd00::/16 too.
"""

import concurrent.futures
import contextlib
import itertools
import os
import signal
import subprocess
import sys

sys.dont_write_bytecode = True

import check_parts  # noqa: E402
import check_rows  # noqa: E402
import check_rows_mail  # noqa: E402
import netns  # noqa: E402
import zones  # noqa: E402
from check_site import (  # noqa: E402
    HOSTER,
    NETWORKS,
    NOT_OURS,
    Builder,
    Mx,
    Site,
)
from daemon import environment, program  # noqa: E402
from policyhost import policy_text  # noqa: E402
from postfix import Receiver  # noqa: E402

ROWS = [*check_rows.ROWS, *check_rows_mail.ROWS]

# A busy machine needs some seconds for what is sound; what is mute takes all.
TIMEOUT_S = 5

# The sound MX hosts, all in one Postfix.
POSTFIX = {
    HOSTER: ("10.25.0.1", "fd00:25::1"),
    "mx1.good.example": ("10.25.0.2", "fd00:25::2"),
    "mx2.good.example": ("10.25.0.3", "fd00:25::3"),
}
REPORTS_HOST = "reports.hoster.test"

# The implicit MX: the domain's own name, at ports 25 and 2525.
IMPLICIT = "implicit.test"
IMPLICIT_ADDRESS = "10.90.0.1"
OTHER_SMTP_PORT = 2525

# Sound domains that change between two checks, with one MX host each; the
# last has a second one.
CHANGING = [
    f"base-{what}.test"
    for what in "same id body both new cert nearer key gone".split()
]
OTHER_KEY_ADDRESS = "10.90.0.2"

# What rows can be checked with, and under which conditions: see weather() and
# command().
RUNS = ("main", "private", "no-smtp", "blocked", "no-ipv6", "no-dnssec")


class CheckWorld:
    """Everything above; use it as a context manager."""

    def __init__(self, tag="c", progress=None, sites=None):
        """With sites, these stand in place of those of the table."""
        self.namespace = netns.Namespace(tag)
        self._sites = sites
        # Records that a script serves in place of nsd.
        self.scripted_records = []
        self._claimed = set()
        self._say = progress or (lambda text: None)

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

    def close(self):
        """Take the world down, whatever state it is in."""
        self._say("taking it all down")
        impatience = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
        signal.pthread_sigmask(signal.SIG_BLOCK, impatience)
        try:
            self.namespace.destroy()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, impatience)

    def claim(self, address, kind):
        """Take an address of a kind; nobody else may have it."""
        if address in self._claimed:
            raise RuntimeError(f"{address} is used twice: rename a row")
        self._claimed.add(address)
        if kind not in NOT_OURS:
            self._addresses.append(address)

    def command(self, *words, run="main"):
        """The command line of a check inside this world."""
        argv = [program("strictmx"), "check"]
        resolver = zones.RESOLVER_ADDRESS
        if run == "no-dnssec":
            resolver = check_parts.RESOLVER_WITHOUT_DNSSEC
        argv.append(f"--resolver={resolver}")
        argv.append(f"--ca-file={self.certificates.root}")
        argv.append(f"--trust-anchor={self.dns.trust_anchor}")
        argv.append(f"--timeout={TIMEOUT_S}")
        if run != "private":
            argv.append("--allow-private-addresses")
        if run == "no-smtp":
            argv.append("--no-smtp")
        return [str(word) for word in (*argv, *words)]

    def check(self, *words, run="main", stdin=None, timeout=120):
        """Run a check to its end; its output as text, lone bytes kept."""
        return subprocess.run(
            self.namespace.inside(self.command(*words, run=run)),
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            timeout=timeout,
            env=environment(),
            encoding="utf-8",
            errors="surrogateescape",
            check=False,
        )

    def popen(self, *words, **kwargs):
        """Start a check."""
        argv = self.namespace.inside(self.command(*words))
        return subprocess.Popen(argv, env=environment(), **kwargs)

    @property
    def resolver(self):
        """Where the names of this world are asked for."""
        return zones.RESOLVER_ADDRESS

    @property
    def authority(self):
        """Who signs its certificates; .root is the file."""
        return self.certificates

    @contextlib.contextmanager
    def weather(self, run):
        """What a run needs around it, for as long as it lasts."""
        with contextlib.ExitStack() as stack:
            if run == "blocked":
                for tool in ("iptables", "ip6tables"):
                    rule = ["INPUT", "-p", "tcp", "--dport", "25", "-j", "DROP"]
                    self.namespace.run([tool, "-I", *rule])
                    stack.callback(self.namespace.run, [tool, "-D", *rule])
            elif run == "no-ipv6":
                v6 = self._fixed_v6 + [a for a in self._addresses if ":" in a]
                switch = "net.ipv6.conf.all.disable_ipv6"
                self.namespace.run(["sysctl", "-q", f"{switch}=1"])
                # Off and on again takes the addresses away.
                stack.callback(self.namespace.add_addresses, v6)
                stack.callback(self.namespace.run, ["sysctl", "-q", f"{switch}=0"])
            yield

    def change(self):
        """What happens to each of CHANGING but the first."""
        for name in ("base-id.test", "base-both.test"):
            record = check_parts.txt_data("v=STSv1; id=20260202T000000;")
            self.dns.set(f"_mta-sts.{name}", "TXT", record)
        for name in ("base-body.test", "base-both.test"):
            self._publish(name, max_age=700000)
        self._publish("base-cert.test", kind="next")
        self._publish("base-nearer.test", kind="sooner")
        self.dns.set("mx.base-key.test", "A", OTHER_KEY_ADDRESS)
        for name, *hosts in (
            ("base-new.test", "mx.base-new.test", HOSTER),
            ("base-gone.test", "mx.base-gone.test"),
        ):
            self.dns.set(name, "MX", *(f"10 {host}." for host in hosts))
        self.dns.publish("test")

    def _publish(self, name, kind="good", **rest):
        text = policy_text("enforce", f"mx.{name}", **rest).encode()
        certificate = self.certificates.make(kind, f"mta-sts.{name}")
        self.web.publish(name, text, certificate)

    def _build(self):
        self._say("network namespace with its own addresses")
        self.namespace.create(zones.RESOLVER_ADDRESS)
        self._make_parts()
        sites = self._sites
        if sites is None:
            sites = [Site(row.domain, **row.site) for row in ROWS]
            sites += [Site(name, mx=(Mx(),)) for name in CHANGING]
            sites[-1].mx += (HOSTER,)
        self._say("certificates, right and wrong")
        self._make_certificates(sites)
        self._say("Postfix for the MX hosts that are sound")
        # Its addresses have to be there when it starts.
        self._add_networks()
        child = self._start_postfix()
        self._say(f"{len(sites)} domains, their policy hosts and mail servers")
        self._make_zones()
        for site in sites:
            Builder(self, site).build()
        for script, (_, address) in check_parts.NAME_SERVERS.items():
            self._addresses.append(address)
            more = {"records": self.scripted_records} if "mx" in script else {}
            self.servers.add(address, 53, script, **more)
        stripped = check_parts.RESOLVER_WITHOUT_DNSSEC
        self._addresses.append(stripped)
        upstream = {"upstream": zones.RESOLVER_ADDRESS}
        self.servers.add(stripped, 53, "dns-strip", **upstream)
        self.namespace.add_addresses(self._addresses)
        self.servers.start()
        self.web.start()
        self._say("DNS with signed and unsigned zones (nsd, unbound)")
        self.dns.start()
        self.servers.wait_started()
        self.postfix.wait_started(child)

    def _make_parts(self):
        self._addresses = []
        self.certificates = check_parts.Certificates(self.namespace.folder)
        self.dns = check_parts.CheckDns(self.namespace)
        self.web = check_parts.WebHosts(self.namespace, self.certificates)
        self.servers = check_parts.Servers(self.namespace)

    def _make_certificates(self, sites):
        wanted = {pair for site in sites for pair in site.certificates()}
        wanted |= {("good", (name,)) for name in (*POSTFIX, REPORTS_HOST)}
        wanted.add(("good", ("mta-sts.provider.test",)))
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(lambda w: self.certificates.make(w[0], *w[1]), wanted))

    def _add_networks(self):
        fixed = [zones.AUTHORITY_ADDRESS, zones.RESOLVER_ADDRESS]
        fixed += [*zones.ROOT_SERVER_ADDRESSES, check_parts.WEB, check_parts.WEB_V6]
        fixed += [check_parts.WEB_SECOND, check_parts.WEB_OLD_TLS]
        fixed += [check_parts.WEB_REFUSES_NAMES]
        fixed += itertools.chain(*POSTFIX.values())
        self.namespace.add_addresses(fixed)
        dropped, unreachable = NETWORKS["dropped"], NETWORKS["unreachable"]
        rule = ["INPUT", "-d", f"{dropped}0.0/16", "-j", "DROP"]
        self.namespace.run(["iptables", "-A", *rule])
        self.namespace.run(
            ["ip", "route", "add", "unreachable", f"{unreachable}0.0/16"]
        )
        self._fixed_v6 = [a for a in fixed if ":" in a]

    def _start_postfix(self):
        addresses = {}
        for name, (v4, v6) in POSTFIX.items():
            certificate = self.certificates.make("good", name)
            addresses[v4] = addresses[f"[{v6}]"] = certificate
        self.postfix = Receiver(self.namespace, "postfix", HOSTER, None, addresses)
        self.postfix._settings["inet_protocols"] = "all"
        return self.postfix.start()

    def _make_zones(self):
        self.dns.add("test", signed=False)
        self.dns.add("example", signed=True)
        for name, (v4, v6) in POSTFIX.items():
            self.dns.set(name, "A", v4)
            self.dns.set(name, "AAAA", v6)
        for name in list(POSTFIX)[1:]:
            keys = [self.certificates.make(kind, name) for kind in ("good", "next")]
            data = [f"3 1 1 {check_parts.key_sha256(key)}" for key in keys]
            self.dns.set(f"_25._tcp.{name}", "TLSA", *data)
        self.dns.set("hoster.test", "MX", f"10 {HOSTER}.")
        self.dns.set(REPORTS_HOST, "A", check_parts.WEB)
        self.web.host(REPORTS_HOST, self.certificates.make("good", REPORTS_HOST))
        self.dns.set("mta-sts.provider.test", "A", check_parts.WEB)
        record = check_parts.txt_data("v=STSv1; id=20260101T000000;")
        self.dns.set("_mta-sts.provider.test", "TXT", record)
        self.dns.set(IMPLICIT, "A", IMPLICIT_ADDRESS)
        self.claim(IMPLICIT_ADDRESS, "v4")
        own = {
            "certificate": self.certificates.make("good", IMPLICIT),
            "name": IMPLICIT,
        }
        for port in (25, OTHER_SMTP_PORT):
            self.servers.add(IMPLICIT_ADDRESS, port, "smtp", **own)
        self.claim(OTHER_KEY_ADDRESS, "v4")
        other = self.certificates.make("next", "mx.base-key.test")
        self.servers.add(OTHER_KEY_ADDRESS, 25, "smtp", certificate=other)


def show_table():
    """Print the rows."""
    print(f"{len(ROWS)} domains: name, verdict, exit status, what, findings")
    for row in ROWS:
        print(f"{row.domain:28} {row.verdict:24} {row.exit} {row.what}")
        if row.codes:
            print(f"{'':28} {' '.join(sorted(row.codes))}")


def run_inside(words):
    """Raise the world and run one check in it, on this terminal."""
    with CheckWorld(progress=lambda text: print(f"  {text}", file=sys.stderr)) as world:
        child = world.popen(*words)
        # Ctrl-C is for the check; the world goes down after it.
        with contextlib.suppress(ValueError):
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        return child.wait()


def main(words):
    """The command line."""
    if words == ["list"]:
        show_table()
        return 0
    if words[:1] == ["run"]:
        if os.geteuid() != 0:
            print("checkworld.py: only root can raise a world", file=sys.stderr)
            return 64
        return run_inside(words[1:])
    print(__doc__.partition("A network")[0].strip(), file=sys.stderr)
    return 64


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
