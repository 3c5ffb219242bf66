"""The measurements of `strictmx check --file`, and their world: many domains,
each a zone of its own, at a few hosters. See bench/README.md."""

import os
import statistics
import time
from pathlib import Path

import world as w
from world import Broken

# Checked at 64 jobs, and by the reference one after the other.
DOMAINS = 2000
SERIAL_DOMAINS = 400
JOBS = 64
# Between these the memory may not grow: the small number has filled what is
# bounded.
FEW, MANY = 2000, 10000

GROUP = 10  # domains that share a policy and a certificate
MX_HOSTS = 20
NAME_SERVER = "127.0.1.53"
WEB_SERVERS = [f"127.0.1.{i}" for i in range(1, 5)]
# How often the memory is looked at: its peak, so only the end can be missed.
LOOK_S = 0.02


def domains(count):
    return [f"c{i:05}.example" for i in range(count)]


def mx_hosts(group):
    """One or two, in turn."""
    hosts = [f"mx{(group + i) % MX_HOSTS:02}.hoster.example"
             for i in range(MX_HOSTS)]
    return hosts[:1 + group % 2]


class CheckWorld:
    """Beside the other world, at addresses of its own."""

    def __init__(self, scratch, tools, count=MANY):
        self.folder = Path(scratch) / "check"
        self.tools, self.count = tools, count
        self.certs = self.folder / "certs"
        self.ca = self.certs / "ca.pem"
        self.anchor = None
        self.children = []
        self.smtp_addresses = [f"127.0.2.{i + 1}" for i in range(MX_HOSTS)]

    def start(self):
        self.folder.mkdir()
        try:
            self.start_all()
        except BaseException:
            self.stop()
            raise

    def start_all(self):
        groups = [domains(self.count)[i:i + GROUP]
                  for i in range(0, self.count, GROUP)]
        hosts = [f"mx{i:02}.hoster.example" for i in range(MX_HOSTS)]
        w.make_certificates(self.certs, self.tools, [
            " ".join(hosts),
            *(" ".join(f"mta-sts.{d}" for d in g) for g in groups)])
        self.start_nsd(groups, hosts)
        nginx = w.WebServer(self.folder, self.certs, WEB_SERVERS)
        for i, group in enumerate(groups):
            nginx.add([f"mta-sts.{d}" for d in group],
                      w.policy_text(mx_hosts(i)))
        self.children.append(nginx.start())
        smtpd = w.Process([
            self.tools / "smtpd", self.certs / f"{hosts[0]}.pem",
            self.certs / "key.pem", *(f"{a}:25" for a in self.smtp_addresses)],
            self.folder / "smtpd.log")
        self.children.append(smtpd)
        w.wait_for(f"{self.smtp_addresses[-1]}:25", smtpd)

    def start_nsd(self, groups, hosts):
        zones = {"hoster.example.": "".join(
            f"{h}. 3600 IN A {a}\n"
            for h, a in zip(hosts, self.smtp_addresses))}
        for i, group in enumerate(groups):
            for domain in group:
                zones[f"{domain}."] = self.records(
                    domain, mx_hosts(i), WEB_SERVERS[i % len(WEB_SERVERS)])
        server = w.NameServer(self.folder, NAME_SERVER)
        self.children.append(server.start(zones))
        self.anchor = server.anchor

    @staticmethod
    def records(domain, hosts, web):
        def txt(label, text):
            return f'{label}{domain}. 3600 IN TXT "{text}"\n'

        return (f"{domain}. 3600 IN A 127.0.1.1\n"
                + txt("", "v=spf1 mx include:spf.hoster.example -all")
                + txt("_mta-sts.", f"v=STSv1; id={w.POLICY_ID};")
                + txt("_smtp._tls.", f"v=TLSRPTv1; rua=mailto:tls@{domain}")
                + txt("_dmarc.", f"v=DMARC1; p=reject; rua=mailto:d@{domain}")
                + f"mta-sts.{domain}. 3600 IN A {web}\n"
                + "".join(f"{domain}. 3600 IN MX {10 * (i + 1)} {h}.\n"
                          for i, h in enumerate(hosts)))

    def stop(self):
        for child in reversed(self.children):
            child.stop()
        self.children = []


class Checker:
    """Runs the command, and looks at what it says and takes."""

    def __init__(self, world, strictmx):
        self.world, self.strictmx = world, strictmx
        self.output = world.folder / "results"

    def command(self, names, jobs):
        return [self.strictmx, "check", "--file", names, "--json",
                "--jobs", jobs, "--unordered", "--allow-private-addresses",
                "--resolver", f"{NAME_SERVER}@53",
                "--trust-anchor", self.world.anchor,
                "--ca-file", self.world.ca, "--ehlo", "check.bench.example",
                "--output", self.output]

    def __call__(self, count, jobs):
        names = self.world.folder / f"names-{count}"
        if not names.exists():
            names.write_text("\n".join(domains(count)) + "\n")
        self.output.unlink(missing_ok=True)
        log = self.world.folder / "check.log"
        log.unlink(missing_ok=True)
        begin = time.monotonic()
        process = w.Process(self.command(names, jobs), log)
        peak = self.wait(process.pid)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.monotonic() - begin
        process.child.returncode = os.waitstatus_to_exitcode(status)
        self.judge(process, count)
        return {"rate": count / seconds, "peak_bytes": peak,
                "cpu_ns": (used.ru_utime + used.ru_stime) / count * 1e9}

    @staticmethod
    def wait(pid):
        """Until it has ended. @return its peak of resident memory; what
        wait4() has for that begins with ours."""
        peak = 0
        while os.waitid(os.P_PID, pid,
                        os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    peak = int(line.split()[1]) * 1024
            time.sleep(LOOK_S)
        return peak

    def judge(self, process, count):
        """Every domain is fine, so all must have been looked at."""
        lines = good = 0
        if self.output.exists():
            with open(self.output) as f:
                for line in f:
                    lines += 1
                    good += '"verdict":"protected"' in line
        if process.child.returncode != 0 or lines != count or good != count:
            raise Broken(f"strictmx check ended with "
                         f"{process.child.returncode}; {lines} of {count} "
                         f"domains, {good} of them protected: "
                         f"{process.last_words()}")


def rows(bench, row):
    """The rows of part `check`; row is the class."""
    world = CheckWorld(bench.world.scratch, bench.tools)
    bench.say("check: starting name server, web server and MX hosts")
    world.start()
    try:
        check = Checker(world, bench.subject.client)
        yield rate_row(bench, row, check)
        yield memory_row(bench, row, check)
    finally:
        world.stop()


def rate_row(bench, row, check):
    label = f"check of {DOMAINS:,} domains, {JOBS} at a time"
    found = bench.rounds_of(label, [
        ("parallel", lambda: check(DOMAINS, JOBS)),
        ("serial", lambda: check(SERIAL_DOMAINS, 1))])
    ours = bench.column(found, "parallel", "rate")
    serial = bench.column(found, "serial", "rate")
    cpu = bench.column(found, "parallel", "cpu_ns")
    rate = statistics.median(ours)
    ratio = statistics.median(a / b for a, b in zip(ours, serial))
    return row(label, f"{rate:,.0f}/s, "
               f"{statistics.median(cpu) / 1e3:,.0f} us CPU",
               f"1 at a time {statistics.median(serial):,.0f}/s", ratio,
               (">=", 300, "/s"), goal_for=rate)


def memory_row(bench, row, check):
    label = f"check, peak of memory, {MANY:,} domains"
    found = bench.rounds_of(label, [
        ("many", lambda: check(MANY, JOBS)),
        ("few", lambda: check(FEW, JOBS))], rounds=min(bench.rounds, 2))
    many = bench.column(found, "many", "peak_bytes")
    few = bench.column(found, "few", "peak_bytes")
    ratio = statistics.median(a / b for a, b in zip(many, few))
    return row(label, f"{statistics.median(many) / 1e6:.1f} MB",
               f"{FEW:,} domains {statistics.median(few) / 1e6:.1f} MB",
               ratio, ("<=", 1.2))
