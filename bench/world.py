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


def policy_text(patterns):
    return "\r\n".join(["version: STSv1", "mode: enforce",
                        *(f"mx: {p}" for p in patterns),
                        "max_age: 604800", ""])


def policy(domain):
    return policy_text([f"mx.{domain}", f"*.{domain}"])


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


SOA = "3600 IN SOA ns.bench.example. host.bench.example. " \
    "1 3600 900 604800 3600"


class NameServer:
    """nsd with a signed root that says, provably, that the zones below it are
    not: a validating resolver has the work it has with most domains."""

    def __init__(self, folder, address):
        self.folder, self.address = Path(folder), address
        self.zones = self.folder / "zones"
        self.anchor = None

    def start(self, zones):
        """zones: {name: records}, each with its own SOA and NS."""
        self.zones.mkdir(parents=True)
        with open(self.zones / "root", "w") as f:
            f.write(f". {SOA}\n. 3600 IN NS ns.bench.example.\n")
            for name in zones:
                f.write(f"{name} 3600 IN NS ns.bench.example.\n")
            f.write(f"ns.bench.example. 3600 IN A {self.address}\n")
        for name, records in zones.items():
            (self.zones / name).write_text(
                f"{name} {SOA}\n{name} 3600 IN NS ns.bench.example.\n"
                + records)
        key = run(["ldns-keygen", "-a", "ECDSAP256SHA256", "-k", "."],
                  cwd=self.zones).split()[-1]
        run(["ldns-signzone", "root", key], cwd=self.zones)
        self.anchor = self.zones / f"{key}.key"
        conf = self.folder / "nsd.conf"
        conf.write_text(self.settings(zones))
        nsd = Process(["nsd", "-d", "-c", conf], self.folder / "nsd.log")
        wait_for(f"{self.address}:53", nsd)
        return nsd

    def settings(self, zones):
        return f"""server:
    ip-address: {self.address}@53
    username: ""
    chroot: ""
    zonesdir: "{self.zones}"
    pidfile: "{self.folder}/nsd.pid"
    xfrdfile: "{self.folder}/xfrd.state"
    zonelistfile: "{self.folder}/zone.list"
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
""" + "".join(f'zone:\n    name: "{name}"\n    zonefile: "{name}"\n'
              for name in zones)


def make_certificates(folder, tools, names):
    """names: one line for each certificate, with all it is for."""
    folder.mkdir()
    (folder / "names").write_text("\n".join(names) + "\n")
    run([tools / "certs", folder, folder / "names"])


class WebServer:
    """nginx, each of its hosts with one policy."""

    def __init__(self, folder, certs, addresses):
        self.folder, self.certs = Path(folder), Path(certs)
        self.addresses = addresses
        self.servers = []

    def add(self, names, text):
        """The same policy for all these, and one certificate."""
        text = text.replace("\r", "\\r").replace("\n", "\\n")
        listen = "".join(f"        listen {a}:443 ssl;\n"
                         for a in self.addresses)
        self.servers.append(f"""    server {{
{listen}        server_name {" ".join(names)};
        ssl_certificate {self.certs}/{names[0]}.pem;
        ssl_certificate_key {self.certs}/key.pem;
        location = /.well-known/mta-sts.txt {{
            default_type text/plain;
            return 200 "{text}";
        }}
    }}
""")

    def start(self):
        conf = self.folder / "nginx.conf"
        conf.write_text(f"""daemon off;
{"user root;" if os.getuid() == 0 else ""}
worker_processes 1;
pid {self.folder}/nginx.pid;
error_log {self.folder}/nginx.log error;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {self.folder}/t1;
    proxy_temp_path {self.folder}/t2;
    fastcgi_temp_path {self.folder}/t3;
    uwsgi_temp_path {self.folder}/t4;
    scgi_temp_path {self.folder}/t5;
    server_names_hash_max_size 65536;
    server_names_hash_bucket_size 128;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_cache off;
{"".join(self.servers)}}}
""")
        nginx = Process(["nginx", "-c", conf, "-e",
                         self.folder / "nginx.log"],
                        self.folder / "nginx.out")
        wait_for(f"{self.addresses[0]}:443", nginx)
        return nginx


class World:
    def __init__(self, scratch, tools):
        self.scratch = Path(scratch)
        self.tools = tools
        self.children = []
        self.certs = self.scratch / "certs"
        self.ca = self.certs / "ca.pem"
        self.anchor = None

    def start(self):
        self.set_up_network()
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

    def start_nsd(self):
        server = NameServer(self.scratch, "127.0.0.1")
        kept = "*.kept.example."
        self.children.append(server.start({
            "bench.example.": "ns.bench.example. 3600 IN A 127.0.0.1\n"
            + "".join(self.policy_records(d) for d in policy_domains()),
            # One wildcard stands for a hundred thousand domains.
            "kept.example.":
                f'{kept} 3600 IN TXT "v=STSv1; id={POLICY_ID};"\n'
                f"{kept} 3600 IN A 127.0.0.1\n"
                f"{kept} 3600 IN MX 10 mx.bench.example.\n",
            "nopolicy.example.": ""}))
        self.anchor = server.anchor

    @staticmethod
    def policy_records(domain):
        return (f'_mta-sts.{domain}. 3600 IN TXT "v=STSv1; id={POLICY_ID};"\n'
                f"mta-sts.{domain}. 3600 IN A 127.0.0.1\n"
                f"{domain}. 3600 IN MX 10 mx.{domain}.\n"
                f"mx.{domain}. 3600 IN A 127.0.0.1\n")

    def start_nginx(self):
        hosts = {f"mta-sts.{d}": d for d in policy_domains()}
        make_certificates(self.certs, self.tools, hosts)
        nginx = WebServer(self.scratch, self.certs, ["127.0.0.1"])
        for host, domain in hosts.items():
            nginx.add([host], policy(domain))
        self.children.append(nginx.start())


def have(*programs):
    return [p for p in programs if shutil.which(p) is None]
