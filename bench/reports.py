"""The measurements of roles collect and report: datagrams counted, none lost,
memory, reports built. See bench/README.md."""

import os
import shutil
import socket
import sqlite3
import statistics
import subprocess
import time
from pathlib import Path

import world as w
from daemons import Daemon, Load
from world import Broken

MB = 1e6
# What docs/sending-reports.md asks for, and what Linux has by itself.
LONG_QUEUE, SHORT_QUEUE = 512, 10
LOSS_RATE, LOSS_ROUNDS, LOSS_SECONDS = 9000, 3, 3
# Of real-time priority: any will do.
PRIORITY = 5

# Domains of one day. Between these the memory may not grow.
FEW, MANY = 10000, 100000
EACH = 3  # datagrams for each of them,
FILL_RATE = 10000  # as fast as this: a day's mail doesn't come at once
REPORT_ROUNDS = 2
LOOK_S = 0.02
PATIENCE_S = 300

DAY_S = 86400
# engine/dispatch.h: a day is closed so long after midnight.
GRACE_S = 360


def set_queue(length):
    """Of sockets made from now on. @return whether it is so."""
    path = Path("/proc/sys/net/unix/max_dgram_qlen")
    try:
        path.write_text(str(length))
    except OSError:
        # Not shown to a user namespace, which has what Linux begins with.
        return length == SHORT_QUEUE
    return True


class Receiver(Daemon):
    """Something that reads datagrams."""

    def __init__(self, folder, argv):
        self.folder, self.argv = Path(folder), argv
        self.socket = self.folder / "tlsrpt"
        self.sent = 0

    def start(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        self.prepare()
        self.process = w.Process(self.argv, f"{self.folder}.log")
        until = time.monotonic() + 20
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            while s.connect_ex(str(self.socket)) != 0:
                self.process.check()
                if time.monotonic() > until:
                    raise Broken(f"{self.name} does not open its socket")
                time.sleep(0.01)

    def prepare(self):
        pass

    def rise(self):
        """The thread that reads is never kept from the CPU by others.
        @return whether that is allowed."""
        try:
            os.sched_setscheduler(self.process.pid, os.SCHED_FIFO,
                                  os.sched_param(PRIORITY))
        except PermissionError:
            return False
        return True

    def end(self):
        """Stopped, and all that was sent must have been counted."""


class Sink(Receiver):
    name = "sink"

    def __init__(self, bench):
        folder = bench.world.scratch / "sink"
        super().__init__(folder, [bench.tools / "sink", folder / "tlsrpt"])

    def end(self):
        self.stop()
        found = self.process_log().split("=")[-1]
        if found != str(self.sent):
            raise Broken(f"sink read {found} of {self.sent} datagrams")

    def stop(self):
        # Kept for its last words.
        if self.process is not None:
            self.process.stop()

    def process_log(self):
        return self.process.last_words()


class Collect(Receiver):
    name = "strictmx"

    def __init__(self, bench):
        folder = bench.world.scratch / "collect"
        self.store = folder / "reports.db"
        super().__init__(folder, [bench.subject.daemon, "-c",
                                  folder / "conf", "collect"])

    def prepare(self):
        (self.folder / "conf").write_text(f"""reports = "sqlite:{self.store}"
log_level = "error"
collect {{ listen = {{ "unix:{self.socket}" }} }}
""")

    def end(self):
        self.stop()
        with sqlite3.connect(self.store) as db:
            (found,) = db.execute(
                "SELECT sum(success + failure) FROM policy").fetchone()
        db.close()
        if found != self.sent:
            raise Broken(f"{found} of {self.sent} sessions were counted")


class Sender:
    """Runs the client that writes datagrams."""

    def __init__(self, bench):
        self.binary = bench.tools / "datagrams"
        self.bench = bench

    def __call__(self, receiver, *options, pinned=True, rises=False):
        argv = ["chrt", "-f", PRIORITY] if rises else []
        if pinned:
            cpus = ",".join(map(str, sorted(self.bench.client_cpus)))
            argv += ["taskset", "-c", cpus]
        argv += [self.binary, f"--socket={receiver.socket}", *options]
        before = receiver.cpu_ns()
        found = Load.result(subprocess.Popen(
            [str(a) for a in argv], text=True, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE))
        receiver.sent += int(found["sent"])
        found["cpu_ns"] = (receiver.cpu_ns() - before) / max(found["sent"], 1)
        return found


# ---- collect ---------------------------------------------------------------

def collect_rows(bench, row):
    """The rows of part `collect`; row is the class."""
    pair = [Collect(bench), Sink(bench)]
    try:
        yield rate_row(bench, row, pair)
        yield loss_row(bench, row, pair)
        yield memory_row(bench, row)
    finally:
        for receiver in pair:
            receiver.stop()


def one_cpu(bench):
    """For all threads of a receiver."""
    return {max(bench.server_cpus)}


def start_pair(bench, pair, queue):
    is_set = set_queue(queue)
    for receiver in pair:
        receiver.sent = 0
        receiver.start()
        receiver.pin(one_cpu(bench))
    return is_set


def rate_row(bench, row, pair):
    label = "datagrams counted, 1,000 domains, one CPU"
    send = Sender(bench)
    if not start_pair(bench, pair, LONG_QUEUE):
        bench.notes.append(f"{label}: with a queue of {SHORT_QUEUE}; a longer "
                           "one needs root")
    found = bench.rounds_of(label, [
        (r.name, lambda r=r: send(r, f"--seconds={bench.seconds}"))
        for r in pair])
    for receiver in pair:
        receiver.end()
    ours, sink = ({key: bench.column(found, r.name, key)
                   for key in ("rate", "cpu_ns")} for r in pair)
    ratio = statistics.median(a / b for a, b in
                              zip(ours["rate"], sink["rate"]))
    texts = [f"{statistics.median(x['rate']):,.0f}/s, "
             f"{statistics.median(x['cpu_ns']) / 1e3:.1f} us CPU"
             for x in (ours, sink)]
    return row(label, texts[0], f"sink {texts[1]}", ratio,
               (">=", 70000, "/s"), goal_for=statistics.median(ours["rate"]))


def loss_row(bench, row, pair):
    label = f"datagrams lost at {LOSS_RATE:,}/s, queue of {SHORT_QUEUE}"
    send = Sender(bench)
    if not start_pair(bench, pair, SHORT_QUEUE):
        raise Broken("net.unix.max_dgram_qlen can't be set")
    # The sender waits busily: on one CPU nobody else would get on.
    rises = len(bench.cpus) > 1 and all(r.rise() for r in pair)
    if not rises:
        bench.notes.append(f"{label}: without real-time priority, so that "
                           "other programs can be the reason")
    found = bench.rounds_of(label, [
        (r.name, lambda r=r: send(
            r, f"--seconds={LOSS_SECONDS}", f"--rate={LOSS_RATE}", "--lossy",
            rises=rises)) for r in pair], rounds=LOSS_ROUNDS)
    for receiver in pair:
        receiver.end()
    lost = [sum(bench.column(found, r.name, "full")) for r in pair]
    sent = sum(bench.column(found, pair[0].name, "sent"))
    return row(label, f"{lost[0]:,.0f} of {sent + lost[0]:,.0f}",
               f"sink {lost[1]:,.0f}", goal=("<=", 0), goal_for=lost[0])


def memory_row(bench, row):
    label = f"collect, peak of memory, {MANY:,} domains in a day"
    bench.say(label)
    peaks = {count: fill(bench, count)[1] for count in (FEW, MANY)}
    bench.raw[label] = peaks
    return row(label, f"{peaks[MANY] / MB:.1f} MB",
               f"{FEW:,} domains {peaks[FEW] / MB:.1f} MB",
               peaks[MANY] / peaks[FEW], ("<=", 24, " MB"),
               goal_for=peaks[MANY] / MB)


def fill(bench, count):
    """A store with so many domains, counted by collect; made once.
    @return where it is, and the peak of collect's memory."""
    path = bench.world.scratch / f"day-{count}.db"
    if path not in bench.filled:
        collect = Collect(bench)
        set_queue(LONG_QUEUE)
        collect.start()
        try:
            Sender(bench)(collect, f"--domains={count}", f"--each={EACH}",
                          "--count=0", f"--rate={FILL_RATE}", pinned=False)
            # All batches but the last one are written in the background.
            time.sleep(2)
            peak = collect.rss_bytes("VmHWM")
        finally:
            collect.stop()
        collect.end()
        shutil.move(collect.store, path)
        bench.filled[path] = peak
    return path, bench.filled[path]


# ---- report ----------------------------------------------------------------

class Report(Daemon):
    """Builds the reports of a day that is over, as copies in memory."""

    def __init__(self, bench):
        self.bench = bench
        self.folder = bench.world.scratch / "report"
        self.store = self.folder / "reports.db"
        self.copies = self.folder / "copies"

    def prepare(self, count):
        source = fill(self.bench, count)[0]
        shutil.rmtree(self.folder, ignore_errors=True)
        self.copies.mkdir(parents=True)
        shutil.copy(source, self.store)
        day = int(time.time() - GRACE_S) // DAY_S - 1
        with sqlite3.connect(self.store) as db:
            if db.execute("SELECT count(DISTINCT day) FROM domain_day"
                          ).fetchone() != (1,):
                raise Broken("midnight, UTC, fell into it: come back now")
            db.execute("UPDATE domain_day SET day = ?", (day,))
        db.close()
        (self.folder / "conf").write_text(f"""reports = "sqlite:{self.store}"
log_level = "warning"
resolve {{
    forwarders = {{ "127.0.0.1@53" }}
    trust_anchor_file = "{self.bench.world.anchor}"
    ca_file = "{self.bench.world.ca}"
}}
report {{
    contact = "tls-reports@bench.example"
    spread = "0s"
    dry_run = true
    copy_to = "{self.copies}"
}}
""")

    def __call__(self, count):
        self.prepare(count)
        w.run(["mount", "-t", "tmpfs", "-o", f"nr_inodes={2 * count + 100}",
               "tmpfs", self.copies])
        try:
            return self.measure(count)
        finally:
            self.stop()
            w.run(["umount", "-l", self.copies])

    def measure(self, count):
        begin = time.monotonic()
        self.process = w.Process(
            [self.bench.subject.daemon, "-c", self.folder / "conf", "report"],
            f"{self.folder}.log")
        self.pin(one_cpu(self.bench))
        while self.count_copies() < count:
            if time.monotonic() - begin > PATIENCE_S:
                raise Broken(f"{self.count_copies()} of {count} reports: "
                             + self.process.last_words())
            self.process.check()
            time.sleep(LOOK_S)
        seconds = time.monotonic() - begin
        found = {"rate": count / seconds, "cpu_ns": self.cpu_ns() / count,
                 "peak_bytes": self.rss_bytes("VmHWM")}
        self.stop()
        self.judge(count)
        return found

    def count_copies(self):
        """Without reading a directory of so many."""
        about = os.statvfs(self.copies)
        return about.f_files - about.f_ffree - 1

    def judge(self, count):
        """Each has a copy, and one that was not sent."""
        with sqlite3.connect(self.store) as db:
            done = dict(db.execute(
                "SELECT substr(uri, 1, 5), count(*) FROM delivery"
                " WHERE state = 1 GROUP BY 1"))
        db.close()
        names = sum(name.endswith(".json.gz")
                    for name in os.listdir(self.copies))
        # The last ones may not have been looked at yet.
        if names != count or done.get("file:", 0) < 0.99 * count or \
                done.get("mailt", 0) < 0.99 * count:
            raise Broken(f"{names} of {count} copies; deliveries: {done}")


def report_rows(bench, row):
    """The rows of part `report`."""
    label = f"reports built, {MANY:,} domains, one CPU"
    report = Report(bench)
    for count in (FEW, MANY):
        bench.say(f"{label}: counting {count:,} domains")
        fill(bench, count)
    found = bench.rounds_of(label, [
        ("many", lambda: report(MANY)), ("few", lambda: report(FEW))],
        rounds=min(bench.rounds, REPORT_ROUNDS))
    rate = statistics.median(bench.column(found, "many", "rate"))
    cpu = statistics.median(bench.column(found, "many", "cpu_ns"))
    few = statistics.median(bench.column(found, "few", "rate"))
    yield row(label, f"{rate:,.0f}/s, {cpu / 1e3:,.0f} us CPU",
              f"{FEW:,} domains {few:,.0f}/s", rate / few,
              (">=", 5000, "/s"), goal_for=rate)
    many = bench.column(found, "many", "peak_bytes")
    few = bench.column(found, "few", "peak_bytes")
    yield row(f"report, peak of memory, {MANY:,} domains",
              f"{statistics.median(many) / MB:.1f} MB",
              f"{FEW:,} domains {statistics.median(few) / MB:.1f} MB",
              statistics.median(a / b for a, b in zip(many, few)),
              ("<=", 1.2))
