"""Runs the measurements and prints the table; bench/README.md says what they
mean. Started by scripts/bench, in namespaces of its own."""

import argparse
import glob
import json
import os
import platform
import resource
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path

import check
import reports
import world as w
from daemons import Echo, Load, Other, StsResolver, Strictmx
from world import Broken

MB = 1e6
# A round in which other programs had more of the CPUs is measured again.
DISTURBED = 0.1


def median_ratio(a, b):
    """Of the rounds' own ratios: a slow second hits both of its round."""
    return statistics.median(x / y for x, y in zip(a, b))


def rate(value):
    return f"{value:,.0f}/s"


class Neighbours:
    """What others on this machine took of the CPUs since this was made."""

    def __init__(self):
        self.then = self.look()

    @staticmethod
    def look():
        tick_s = 1 / os.sysconf("SC_CLK_TCK")
        ticks = [int(t) for t in Path("/proc/stat").read_text()
                 .split("\n", 1)[0].split()[1:9]]
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        # Ours: children that have ended, and all there is in our namespace.
        own = used.ru_utime + used.ru_stime
        for stat in glob.glob("/proc/[0-9]*/task/[0-9]*/schedstat"):
            try:
                own += int(Path(stat).read_text().split()[0]) / 1e9
            except OSError:
                pass
        return (sum(ticks) * tick_s,
                (sum(ticks) - ticks[3] - ticks[4]) * tick_s, own)

    def share(self):
        """Of the CPU time of this machine."""
        total, busy, own = (b - a for a, b in zip(self.then, self.look()))
        return max(0.0, (busy - own) / max(total, 0.01))


class Row:
    """goal_for: what the goal is about when it isn't the ratio beside it."""

    def __init__(self, what, ours, reference="-", ratio=None, goal=None,
                 others=(), broken=None, goal_for=None):
        self.what, self.ours, self.reference = what, ours, reference
        self.ratio, self.goal, self.goal_for = ratio, goal, goal_for
        self.others, self.broken = list(others), broken

    @property
    def met(self):
        if self.broken:
            return False
        value = self.ratio if self.goal_for is None else self.goal_for
        if self.goal is None or value is None:
            return None
        how, limit = self.goal[0], self.goal[1]
        return {">=": value >= limit, "<=": value <= limit,
                "<": value < limit}[how]

    def cells(self):
        unit = self.goal[2] if self.goal and len(self.goal) > 2 else ""
        ratio = "-" if self.ratio is None else \
            f"{self.ratio:.2f}" if not unit or self.goal_for is not None \
            else "-"
        goal = "-" if self.goal is None else \
            f"{self.goal[0]} {self.goal[1]:g}{unit}"
        met = {True: "yes", False: "no", None: "-"}[self.met]
        if self.broken:
            return [self.what, "broken", "-", "-", goal, "no", self.broken]
        return [self.what, self.ours, self.reference, ratio, goal, met,
                ", ".join(self.others)]


class Bench:
    def __init__(self, options, world, tools):
        self.options, self.world = options, world
        self.rounds, self.seconds = options.rounds, options.seconds
        self.load = Load(tools / "load", world.scratch)
        self.tools = tools
        self.echo = Echo(world, tools / "echo")
        self.subject = self.find_subject()
        self.peers_tcp, self.peers_unix, self.notes = [], [], []
        self.find_peers()
        # Whether the scheduler puts client and server on one CPU or on two
        # would matter more than anything else, so that is fixed.
        self.cpus = self.client_cpus = self.server_cpus = os.sched_getaffinity(0)
        if len(self.cpus) > 1 and not options.no_pin:
            self.client_cpus = {min(self.cpus)}
            self.server_cpus = self.cpus - self.client_cpus
        self.measured = self.disturbed = 0
        self.warm = set()
        self.raw = {}
        self.filled = {}  # stores of reports, and the peak of making each
        self.names = self.load.names("policy", w.policy_domains())
        self.nameless = self.load.names("none", w.nameless_domains(1000))

    def find_subject(self):
        build = Path(self.options.build)
        if self.options.subject == "echo":
            echo = Echo(self.world, self.tools / "echo", port=8459)
            echo.name = "echo too"
            return echo
        if self.options.subject == "postfix-mta-sts-resolver":
            return StsResolver(self.world)
        found = {p.name: p for p in build.rglob("strictmx*")
                 if p.is_file() and os.access(p, os.X_OK)}
        if "strictmxd" not in found or "strictmx" not in found:
            sys.exit(f"bench: there is no strictmxd or strictmx in {build}")
        return Strictmx(self.world, found["strictmxd"], found["strictmx"])

    def find_peers(self):
        for text in self.options.peer:
            other = Other(self.world, text)
            (self.peers_tcp if other.tcp else self.peers_unix).append(other)
        if self.options.subject == StsResolver.name or self.options.no_peers:
            return
        if not os.access(StsResolver.binary, os.X_OK):
            self.notes.append(f"{StsResolver.name} is not installed, so it is "
                              "not measured beside (Debian has a package)")
            return
        self.peers_tcp.insert(0, StsResolver(self.world))
        self.peers_unix.insert(0, StsResolver(self.world, by_unix=True))

    # ---- doing -----------------------------------------------------------

    def say(self, text):
        if sys.stderr.isatty():
            print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
        elif self.options.verbose and text:
            print(text, file=sys.stderr, flush=True)

    def heat(self, daemon, address):
        """Running, and every name of ours asked once."""
        if (daemon, address) in self.warm:
            return
        self.say(f"{daemon.name}: warming up")
        if daemon.process is None:
            daemon.start()
        for names, expect in ((self.names, daemon.ok),
                              (self.nameless, daemon.none)):
            found = self.load(daemon, address, names, expect,
                              "--connections=16", "--count=0")
            if found["errors"] > 0:
                raise Broken(f"{daemon.name} does not answer rightly: "
                             f"{found['said']}")
        self.warm.add((daemon, address))

    def cool(self, daemon):
        self.warm = {(d, a) for d, a in self.warm if d is not daemon}

    def rounds_of(self, label, jobs, rounds=None):
        """jobs: [(name, function)]; A B A B ... -> {name: [result]}."""
        rounds = rounds or self.rounds
        results = {name: [] for name, _ in jobs}
        again = rounds * len(jobs)
        for i in range(rounds):
            for name, job in jobs:
                self.say(f"{label}: round {i + 1} of {rounds}, {name}")
                found = self.watched(job)
                while found["foreign"] > DISTURBED and again > 0:
                    again -= 1
                    self.say(f"{label}: round {i + 1} again, {name}")
                    other = self.watched(job)
                    if other["foreign"] < found["foreign"]:
                        found = other
                self.disturbed += found["foreign"] > DISTURBED
                self.measured += 1
                results[name].append(found)
        self.raw[label] = results
        return results

    @staticmethod
    def watched(job):
        neighbours = Neighbours()
        found = job()
        found["foreign"] = neighbours.share()
        return found

    def ask(self, daemon, address, names, expect, connections, depth=1,
            idle=0, map_name=None):
        """One round of questions whose answers are cached."""
        daemon.pin(self.server_cpus)
        before = daemon.cpu_ns()
        options = [f"--connections={connections}", f"--depth={depth}",
                   f"--idle={idle}", f"--seconds={self.seconds}",
                   "--warmup=0.1"]
        if map_name is not None:
            options.append(f"--map={map_name}")
        found = self.load(daemon, address, names, expect, *options,
                          cpus=self.client_cpus)
        daemon.pin(self.cpus)
        after = daemon.cpu_ns()
        found["cpu_ns"] = None if before is None else \
            (after - before) / max(found["replies"], 1)
        return found

    @staticmethod
    def column(results, name, key):
        return [r[key] for r in results[name]]

    def check_errors(self, results, name):
        errors = [r for r in results[name] if r["errors"] > 0]
        if errors:
            raise Broken(f"{errors[0]['errors']:.0f} errors: "
                         f"{errors[0]['said']}")

    def side_by_side(self, label, daemons, names, kind, **how):
        """daemons: [(daemon, address)], the subject first, then echo."""
        jobs = []
        for daemon, address in daemons:
            try:
                self.heat(daemon, address)
            except Broken as e:
                if daemon in (self.subject, self.echo):
                    raise
                self.notes.append(f"{daemon.name} is left out of "
                                  f"\"{label}\": {str(e).splitlines()[0]}")
                continue
            expect = daemon.ok if kind == "ok" else daemon.none
            jobs.append((daemon.name, lambda d=daemon, a=address, e=expect:
                         self.ask(d, a, names, e, **how)))
        results = self.rounds_of(label, jobs)
        self.check_errors(results, self.subject.name)
        self.check_errors(results, self.echo.name)
        return results

    def rate_row(self, label, results, goal):
        ours = self.column(results, self.subject.name, "rate")
        echo = self.column(results, self.echo.name, "rate")
        others = []
        for name in results:
            if name in (self.subject.name, self.echo.name):
                continue
            theirs = self.column(results, name, "rate")
            errors = sum(self.column(results, name, "errors"))
            others.append(f"{name} {rate(statistics.median(theirs))} "
                          f"({median_ratio(theirs, echo):.2f})"
                          + (f" with {errors:.0f} errors" if errors else ""))
        return Row(label, rate(statistics.median(ours)),
                   f"echo {rate(statistics.median(echo))}",
                   median_ratio(ours, echo), goal, others)

    def pairs(self, kind):
        peers = self.peers_tcp if kind == "tcp" else self.peers_unix
        return [(d, getattr(d, kind))
                for d in (self.subject, self.echo, *peers)
                if getattr(d, kind) is not None]

    # ---- the parts -------------------------------------------------------

    def part_cached(self):
        """cached answers over TCP: rate, p99, CPU"""
        for connections, goal in ((1, None), (8, (">=", 0.90)),
                                  (64, (">=", 0.90))):
            label = f"cached answer, TCP, {connections} connection" + \
                ("s" if connections > 1 else "")
            results = self.side_by_side(label, self.pairs("tcp"), self.names,
                                        "ok", connections=connections)
            yield self.rate_row(label, results, goal)
        yield self.detail_row("p99 at 64 connections", results, "p99_us",
                              "us", ("<=", 1.5))
        yield self.detail_row("daemon CPU per cached answer", results,
                              "cpu_ns", "ns", ("<=", 1.25))
        if isinstance(self.subject, Strictmx):
            label = "the same with TLSRPT attributes, 64 connections"
            results = self.side_by_side(
                label, self.pairs("tcp")[:2], self.names, "ok",
                connections=64, map_name="strictmx")
            yield self.rate_row(label, results, None)

    def detail_row(self, what, results, key, unit, goal):
        def show(values):
            return f"{statistics.median(values):,.0f} {unit}"

        ours = self.column(results, self.subject.name, key)
        echo = self.column(results, self.echo.name, key)
        others = []
        for name in results:
            theirs = self.column(results, name, key)
            if name in (self.subject.name, self.echo.name) or \
                    None in theirs:
                continue
            others.append(f"{name} {show(theirs)} "
                          f"({median_ratio(theirs, echo):.2f})")
        return Row(what, show(ours), f"echo {show(echo)}",
                   median_ratio(ours, echo), goal, others)

    def part_unix(self):
        """cached answers over a unix socket"""
        label = "cached answer, unix socket, 64 connections"
        results = self.side_by_side(label, self.pairs("unix"), self.names,
                                    "ok", connections=64)
        yield self.rate_row(label, results, (">=", 0.85))

    def part_pipelined(self):
        """16 requests in flight on each of 8 connections"""
        label = "16 requests pipelined, TCP, 8 connections"
        results = self.side_by_side(label, self.pairs("tcp"), self.names,
                                    "ok", connections=8, depth=16)
        yield self.rate_row(label, results, (">=", 0.5))

    def part_negative(self):
        """names without a policy, asked again"""
        label = "no policy, asked again, TCP, 64 connections"
        results = self.side_by_side(label, self.pairs("tcp"), self.nameless,
                                    "none", connections=64)
        yield self.rate_row(label, results, (">=", 0.90))

    def part_idle(self):
        """10,000 idle connections beside 200 busy ones"""
        subject = self.subject
        self.heat(subject, subject.tcp)
        label = "p99 of 200 busy beside 10,000 idle connections"

        def job(idle):
            return lambda: self.ask(subject, subject.tcp, self.names,
                                    subject.ok, connections=200, idle=idle)

        results = self.rounds_of(label, [("unloaded", job(0)),
                                         ("loaded", job(10000))])
        for name in results:
            self.check_errors(results, name)
        closed = max(self.column(results, "loaded", "idle_closed"))
        if closed > 0:
            raise Broken(f"the server closed {closed:.0f} idle connections")
        loaded = self.column(results, "loaded", "p99_us")
        alone = self.column(results, "unloaded", "p99_us")
        yield Row(label, f"{statistics.median(loaded):,.0f} us",
                  f"none idle {statistics.median(alone):,.0f} us",
                  median_ratio(loaded, alone), ("<", 2))

    def cold_jobs(self, names, kind, expected):
        """Each restarted with nothing cached, then every name asked once."""
        def job(daemon):
            daemon.restart()
            expect = daemon.ok if kind == "ok" else daemon.none
            before = daemon.cpu_ns()
            found = self.load(daemon, daemon.tcp, names, expect,
                              "--connections=64", "--count=0")
            found["cpu_ns"] = (daemon.cpu_ns() - before) / expected
            return found

        daemons = [d for d in (self.subject, *self.peers_tcp)
                   if d.can_start and d.tcp is not None]
        for d in daemons:
            self.cool(d)
        return [(d.name, lambda d=d: job(d)) for d in daemons]

    def cold_row(self, label, results, goal):
        self.check_errors(results, self.subject.name)
        ours = self.column(results, self.subject.name, "rate")
        cpu = self.column(results, self.subject.name, "cpu_ns")
        theirs = {n: self.column(results, n, "rate") for n in results
                  if n != self.subject.name}
        text = f"{rate(statistics.median(ours))}, " \
            f"{statistics.median(cpu) / 1e3:,.0f} us CPU"
        if not theirs:
            self.notes.append(f"{label}: no other daemon to compare with")
            return Row(label, text, goal=goal)
        best = max(theirs, key=lambda n: statistics.median(theirs[n]))
        others = []
        for name in theirs:
            cpu = self.column(results, name, "cpu_ns")
            errors = sum(self.column(results, name, "errors"))
            others.append(f"{name} {statistics.median(cpu) / 1e3:,.0f} us CPU"
                          + (f" with {errors:.0f} errors" if errors else ""))
        return Row(label, text, f"{best} "
                   f"{rate(statistics.median(theirs[best]))}",
                   median_ratio(ours, theirs[best]), goal, others)

    def part_cold(self):
        """policy domains that nobody has asked for yet"""
        label = f"{w.POLICY_DOMAINS:,} uncached policy domains, 64 connections"
        results = self.rounds_of(label, self.cold_jobs(
            self.names, "ok", w.POLICY_DOMAINS))
        yield self.cold_row(label, results, (">=", 1.3))

    def part_cold_negative(self):
        """names without a policy that nobody has asked for yet"""
        label = f"{w.NAMELESS_COLD:,} uncached names without a policy"
        names = self.load.names("none-cold", w.nameless_domains(
            w.NAMELESS_COLD, first=500000))
        results = self.rounds_of(label, self.cold_jobs(
            names, "none", w.NAMELESS_COLD))
        yield self.cold_row(label, results, (">=", 1.0))

    def need_import(self, label):
        if not self.subject.can_import:
            self.notes.append(f"{label}: {self.subject.name} can't import")
        return self.subject.can_import

    def part_memory(self):
        """resident memory with 1,000 and with 100,000 cached policies"""
        others = []
        for peer in self.peers_tcp:
            if peer.can_start:
                self.heat(peer, peer.tcp)
                others.append(f"{peer.name} {peer.rss_bytes() / MB:.1f} MB")
        if not self.need_import("memory"):
            return
        for count, limit in ((1000, 12), (w.KEPT_DOMAINS, 60)):
            label = f"memory with {count:,} cached policies, all asked"
            self.say(label)
            began, asked, anon = self.fill(count)
            self.raw[label] = {"start": began, "asked": asked, "anon": anon}
            yield Row(label, f"{asked / MB:.1f} MB",
                      f"at start {began / MB:.1f}, heap {anon / MB:.1f}",
                      asked / MB, ("<=", limit, " MB"),
                      others if count == 1000 else ())

    def fill(self, count):
        """A fresh start with that many policies in the store."""
        subject = self.subject
        self.cool(subject)
        subject.load_cache(w.kept_domains(count))
        subject.start_again()
        names = self.load.names(f"kept-{count}", w.kept_domains(count))
        # The first answer says that the store has been read.
        one = self.load.names("kept-one", w.kept_domains(1))
        self.load(subject, subject.tcp, one, subject.ok, "--count=1")
        began = subject.rss_bytes()
        found = self.load(subject, subject.tcp, names, subject.ok,
                          "--connections=64", "--count=0")
        if found["errors"] > 0 or found["ok"] != count:
            raise Broken(f"{found['ok']:.0f} of {count} policies are kept: "
                         f"{found['said']}")
        # What the answers have set going in the background has its time.
        time.sleep(1)
        return began, subject.rss_bytes(), subject.rss_bytes("RssAnon")

    def part_start(self):
        """start to first cached answer with 100,000 policies in the store"""
        if not self.need_import("start"):
            return
        subject = self.subject
        label = f"start to first cached answer, {w.KEPT_DOMAINS:,} policies"
        self.say(label)
        self.cool(subject)
        subject.load_cache(w.kept_domains(w.KEPT_DOMAINS))
        # The last name: having read the first policies must not be enough.
        last = self.load.names("kept-last", w.kept_domains(
            w.KEPT_DOMAINS)[-1:])

        def job():
            subject.stop()
            client = self.load(subject, subject.tcp, last, subject.ok,
                               "--count=1", "--wait=30", background=True)
            time.sleep(0.05)
            begin = time.monotonic_ns()
            subject.spawn()
            found = self.load.result(client)
            if found["errors"] > 0 or found["ok"] != 1:
                raise Broken(found["said"])
            found["ms"] = (found["first_ns"] - begin) / 1e6
            return found

        results = self.rounds_of(label, [(subject.name, job)])
        ms = statistics.median(self.column(results, subject.name, "ms"))
        yield Row(label, f"{ms:,.0f} ms", "-", ms / 1000, ("<=", 0.2, " s"))

    def part_parse(self):
        """the parser, without any daemon"""
        self.say("parse")
        out = w.run([self.tools / "parse", str(2 * self.rounds + 1)])
        found = {k: float(v) for k, v in
                 (p.split("=") for p in out.split())}
        self.raw["parse"] = found
        yield Row("policy parse, two mx", f"{found['ns'] / 1000:.2f} us",
                  f"{found['arena_bytes']:.0f} octets of arena",
                  found["ns"] / 1000, ("<=", 0.5, " us"))

    def part_check(self):
        """strictmx check of thousands of domains: rate, memory"""
        if not isinstance(self.subject, Strictmx):
            self.notes.append(f"check: {self.subject.name} has no such thing")
            return
        yield from check.rows(self, Row)

    def part_collect(self):
        """datagrams of MTAs counted: rate, losses, memory"""
        if not isinstance(self.subject, Strictmx):
            self.notes.append(f"collect: {self.subject.name} has no such thing")
            return
        yield from reports.collect_rows(self, Row)

    def part_report(self):
        """TLS reports of a day built: rate, memory"""
        if not isinstance(self.subject, Strictmx):
            self.notes.append(f"report: {self.subject.name} has no such thing")
            return
        yield from reports.report_rows(self, Row)

    def parts(self):
        return {name[5:].replace("_", "-"): getattr(self, name)
                for name in ("part_cached", "part_unix", "part_pipelined",
                             "part_negative", "part_idle", "part_cold",
                             "part_cold_negative", "part_memory",
                             "part_start", "part_parse",
                             "part_check", "part_collect",
                             "part_report")}

    def stop(self):
        for d in (self.subject, self.echo, *self.peers_tcp, *self.peers_unix):
            d.stop()


HEAD = ["what", "strictmx", "reference", "ratio", "goal", "met",
        "others (relative to the reference)"]


def print_table(rows, subject):
    table = [[subject if c == "strictmx" else c for c in HEAD]]
    table += [row.cells() for row in rows]
    widths = [max(len(r[i]) for r in table) for i in range(len(HEAD) - 1)]
    for i, cells in enumerate(table):
        print("  ".join(c.ljust(n) if k in (0, 2) else c.rjust(n)
                        for k, (c, n) in enumerate(zip(cells, widths)))
              + "  " + cells[-1])
        if i == 0:
            print("  ".join("-" * n for n in widths) + "  " + "-" * 6)


def machine():
    model = "?"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
    return (f"{model}, {len(os.sched_getaffinity(0))} CPUs shared by server, "
            f"client and the rest; Linux {platform.release()}")


def parse_options(names):
    p = argparse.ArgumentParser(
        prog="scripts/bench", usage="scripts/bench [BUILD] [OPTION]...",
        description="Measures strictmx and prints a table; bench/README.md.")
    p.add_argument("--build", help=argparse.SUPPRESS)
    p.add_argument("--only", action="append", default=[], metavar="PART",
                   choices=names, help=f"one of {', '.join(names)}; may be "
                   "repeated")
    p.add_argument("--rounds", type=int, metavar="N",
                   default=int(os.environ.get("ROUNDS", 5)),
                   help="how often each is measured (environment ROUNDS; 5)")
    p.add_argument("--seconds", type=float, metavar="S",
                   default=float(os.environ.get("SECONDS_PER_ROUND", 1)),
                   help="length of one round of cached answers (1)")
    p.add_argument("--peer", action="append", metavar="NAME=ADDR[=COMMAND]",
                   default=[], help="another daemon to measure beside; also "
                   "environment PEER, one per line")
    p.add_argument("--no-peers", action="store_true",
                   help="without postfix-mta-sts-resolver")
    p.add_argument("--no-pin", action="store_true",
                   help="let the scheduler choose the CPUs of client and "
                   "server")
    p.add_argument("--subject", default="strictmx", help="what is measured: "
                   "strictmx, or echo or postfix-mta-sts-resolver to try "
                   "the bench itself")
    p.add_argument("--check", action="store_true",
                   help="a goal that is missed makes the exit status 1")
    p.add_argument("--json", metavar="FILE", help="all rounds, as JSON")
    p.add_argument("-v", "--verbose", action="store_true",
                   help="say what is going on, also without a terminal")
    options = p.parse_args()
    if options.rounds < 1 or not 0 < options.seconds <= 60:
        p.error("at least one round, of at most a minute")
    options.peer += [t for t in os.environ.get("PEER", "").splitlines() if t]
    return options


def raise_limits():
    """Ten thousand connections, for us and for what we start."""
    want = 65536
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(want, hard),) * 2)
    except (OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def measure(bench, parts, wanted):
    rows = []
    for name in wanted:
        try:
            for row in parts[name]():
                rows.append(row)
        except Broken as e:
            rows.append(Row(name, "broken", broken=str(e)))
    bench.say("")
    return rows


def main():
    names = [n for n in Bench.parts(Bench)]
    options = parse_options(names)
    if options.build is None:
        sys.exit("bench: start it with scripts/bench")
    missing = w.have("nsd", "nginx", "ldns-keygen", "ldns-signzone", "ip")
    if missing:
        sys.exit(f"bench: {', '.join(missing)} missing; see scripts/setup")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("bench: ended"))
    raise_limits()
    tools = Path(options.build) / "bench"
    begin, neighbours = time.monotonic(), Neighbours()
    with tempfile.TemporaryDirectory(prefix="strictmx-bench-") as scratch:
        world = w.World(scratch, tools)
        bench = None
        try:
            bench = Bench(options, world, tools)
            bench.say("starting name server and web server")
            world.start()
            bench.echo.start()
            rows = measure(bench, bench.parts(),
                           [n for n in names
                            if not options.only or n in options.only])
        except Broken as e:
            sys.exit(f"bench: {e}")
        finally:
            if bench is not None:
                bench.stop()
            world.stop()
    print(machine())
    print(f"{options.rounds} rounds of {options.seconds:g} s, alternated; "
          f"medians; {time.monotonic() - begin:.0f} s in all")
    print(f"others had {neighbours.share():.0%} of the CPU time meanwhile, "
          f"and disturbed {bench.disturbed} of {bench.measured} rounds"
          + (": don't trust these figures"
             if bench.disturbed * 4 > bench.measured else "") + "\n")
    print_table(rows, bench.subject.name)
    for note in bench.notes:
        print(f"\nnote: {note}")
    if options.json:
        Path(options.json).write_text(json.dumps({
            "machine": machine(), "raw": bench.raw,
            "rows": [dict(vars(r), met=r.met) for r in rows]}, indent=1))
    if any(r.broken for r in rows):
        sys.exit(1)
    if options.check and any(r.met is False for r in rows):
        sys.exit(1)


main()
