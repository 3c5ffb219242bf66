"""A small internet for the measurements: one name server, one web server, a
private CA. It lives in the namespaces that scripts/bench has made, so it can
have port 53 and 443 of loopback and a resolv.conf of its own, and every
daemon can be measured with the configuration it has in real life."""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

POLICY_DOMAINS = 1000
KEPT_DOMAINS = 100000
# Asked once each when cold: enough for a second at a good rate.
NAMELESS_COLD = 20000

POLICY_ID = "20260101T000000"


def policy_domains():
    return [f"d{i:04}.bench.example" for i in range(POLICY_DOMAINS)]


def kept_domains(count):
    return [f"k{i:06}.kept.example" for i in range(count)]


def nameless_domains(count, first=0):
    return [f"n{i:06}.nopolicy.example" for i in range(first, first + count)]


def policy(domain, end="\r\n"):
    return end.join(["version: STSv1", "mode: enforce", f"mx: mx.{domain}",
                     f"mx: *.{domain}", "max_age: 604800", ""])


class Broken(Exception):
    """Something that had to work didn't: no figure can be trusted."""


class Process:
    """A child that is ended with us, its output in a file."""

    def __init__(self, argv, log, env=None, nice=0):
        self.argv = [str(a) for a in argv]
        self.log = Path(log)
        with open(self.log, "ab") as out:
            self.child = subprocess.Popen(
                self.argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                env=env, start_new_session=True)
        self.pid = self.child.pid

    def check(self):
        if self.child.poll() is not None:
            raise Broken(f"{self.argv[0]} ended with {self.child.returncode}:"
                         f"\n{self.last_words()}")

    def last_words(self):
        text = self.log.read_text(errors="replace").strip()
        return "\n".join(text.splitlines()[-10:])

    def stop(self, patience=10):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(patience)
            except subprocess.TimeoutExpired:
                os.killpg(self.pid, signal.SIGKILL)
                self.child.wait()


def wait_for(address, process, seconds=20):
    """Until something listens at 127.0.0.1:53 or unix:/path."""
    until = time.monotonic() + seconds
    while True:
        process.check()
        if address.startswith("unix:"):
            s, to = socket.socket(socket.AF_UNIX), address[5:]
        else:
            host, _, port = address.rpartition(":")
            s, to = socket.socket(), (host, int(port))
        with s:
            try:
                s.connect(to)
                return
            except OSError as e:
                if time.monotonic() > until:
                    raise Broken(f"{process.argv[0]} does not listen at "
                                 f"{address}: {e}\n{process.last_words()}")
        time.sleep(0.01)


def run(argv, **more):
    done = subprocess.run([str(a) for a in argv], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          **more)
    if done.returncode != 0:
        raise Broken(f"{' '.join(map(str, argv))}: {done.stdout.strip()}")
    return done.stdout


class World:
    def __init__(self, scratch, tools):
        self.scratch = Path(scratch)
        self.tools = tools
        self.children = []
        self.ca = self.scratch / "certs/ca.pem"
        self.anchor = None

    def start(self):
        self.set_up_network()
        self.write_zones()
        self.start_nsd()
        self.start_nginx()

    def stop(self):
        for child in reversed(self.children):
            child.stop()
        self.children = []

    def set_up_network(self):
        run(["ip", "link", "set", "lo", "up"])
        # Ten thousand connections, again and again, need many ports.
        Path("/proc/sys/net/ipv4/ip_local_port_range").write_text("10000 65000")
        resolv = self.scratch / "resolv.conf"
        resolv.write_text("nameserver 127.0.0.1\noptions edns0\n")
        target = Path("/etc/resolv.conf").resolve()
        if target.exists():
            run(["mount", "--bind", resolv, target])

    # The root is signed and says, provably, that the zones below are not:
    # a validating resolver has the work it has with most domains of today.
    def write_zones(self):
        zones = self.scratch / "zones"
        zones.mkdir()
        soa = "3600 IN SOA ns.bench.example. host.bench.example. " \
            "1 3600 900 604800 3600\n"
        below = ("bench.example.", "kept.example.", "nopolicy.example.")
        with open(zones / "root", "w") as f:
            f.write(". " + soa + ". 3600 IN NS ns.bench.example.\n")
            for name in below:
                f.write(f"{name} 3600 IN NS ns.bench.example.\n")
            f.write("ns.bench.example. 3600 IN A 127.0.0.1\n")
        for name in below:
            with open(zones / name, "w") as f:
                f.write(f"{name} {soa}{name} 3600 IN NS ns.bench.example.\n")
                if name == "bench.example.":
                    f.write("ns.bench.example. 3600 IN A 127.0.0.1\n")
                    for domain in policy_domains():
                        f.write(self.policy_records(domain))
                if name == "kept.example.":
                    # One wildcard stands for a hundred thousand domains.
                    f.write(f'*.{name} 3600 IN TXT "v=STSv1; '
                            f'id={POLICY_ID};"\n'
                            f"*.{name} 3600 IN A 127.0.0.1\n"
                            f"*.{name} 3600 IN MX 10 mx.bench.example.\n")
        key = run(["ldns-keygen", "-a", "ECDSAP256SHA256", "-k", "."],
                  cwd=zones).split()[-1]
        run(["ldns-signzone", "root", key], cwd=zones)
        self.anchor = zones / f"{key}.key"

    @staticmethod
    def policy_records(domain):
        return (f'_mta-sts.{domain}. 3600 IN TXT "v=STSv1; id={POLICY_ID};"\n'
                f"mta-sts.{domain}. 3600 IN A 127.0.0.1\n"
                f"{domain}. 3600 IN MX 10 mx.{domain}.\n"
                f"mx.{domain}. 3600 IN A 127.0.0.1\n")

    def start_nsd(self):
        zones = self.scratch / "zones"
        conf = self.scratch / "nsd.conf"
        text = f"""server:
    ip-address: 127.0.0.1@53
    username: ""
    chroot: ""
    zonesdir: "{zones}"
    pidfile: "{self.scratch}/nsd.pid"
    xfrdfile: "{self.scratch}/xfrd.state"
    zonelistfile: "{self.scratch}/zone.list"
    database: ""
    server-count: 1
    verbosity: 0
    rrl-ratelimit: 0
    rrl-whitelist-ratelimit: 0
remote-control:
    control-enable: no
zone:
    name: "."
    zonefile: "root.signed"
"""
        for name in ("bench.example", "kept.example", "nopolicy.example"):
            text += f'zone:\n    name: "{name}"\n    zonefile: "{name}."\n'
        conf.write_text(text)
        nsd = Process(["nsd", "-d", "-c", conf], self.scratch / "nsd.log")
        self.children.append(nsd)
        wait_for("127.0.0.1:53", nsd)

    def start_nginx(self):
        certs = self.scratch / "certs"
        certs.mkdir()
        hosts = [f"mta-sts.{d}" for d in policy_domains()]
        (self.scratch / "hosts").write_text("\n".join(hosts) + "\n")
        run([self.tools / "certs", certs, self.scratch / "hosts"])
        servers = []
        for domain in policy_domains():
            text = policy(domain).replace("\r", "\\r").replace("\n", "\\n")
            servers.append(f"""    server {{
        listen 127.0.0.1:443 ssl;
        server_name mta-sts.{domain};
        ssl_certificate {certs}/mta-sts.{domain}.pem;
        ssl_certificate_key {certs}/key.pem;
        location = /.well-known/mta-sts.txt {{
            default_type text/plain;
            return 200 "{text}";
        }}
    }}
""")
        conf = self.scratch / "nginx.conf"
        conf.write_text(f"""daemon off;
{"user root;" if os.getuid() == 0 else ""}
worker_processes 1;
pid {self.scratch}/nginx.pid;
error_log {self.scratch}/nginx.log error;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {self.scratch}/t1;
    proxy_temp_path {self.scratch}/t2;
    fastcgi_temp_path {self.scratch}/t3;
    uwsgi_temp_path {self.scratch}/t4;
    scgi_temp_path {self.scratch}/t5;
    server_names_hash_max_size 8192;
    server_names_hash_bucket_size 128;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_cache off;
{"".join(servers)}}}
""")
        nginx = Process(["nginx", "-c", conf, "-e",
                         self.scratch / "nginx.log"],
                        self.scratch / "nginx.out")
        self.children.append(nginx)
        wait_for("127.0.0.1:443", nginx)


def have(*programs):
    return [p for p in programs if shutil.which(p) is None]
