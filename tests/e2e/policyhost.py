"""Policy hosts: one nginx that serves a policy for every domain it knows.

The server name of the TLS handshake selects certificate and file, so a new
policy host is two more files and needs no reload.
"""

import pathlib
import signal
import socket

from netns import CLEAN_ENVIRONMENT, wait_until

ADDRESS = "10.80.0.1"
# The same policies over IPv6 only, for hosts that have no A record.
ADDRESS_V6 = "fd00:80::1"


def policy_text(mode, *mx, max_age=604800, extra=()):
    """A policy as the RFC prints it."""
    lines = ["version: STSv1", f"mode: {mode}"]
    lines += [f"mx: {host}" for host in mx]
    lines += [f"max_age: {max_age}", *extra]
    return "".join(f"{line}\r\n" for line in lines)


class PolicyHosts:
    """nginx with its certificates and policies."""

    def __init__(self, namespace, authority):
        self._namespace = namespace
        self._authority = authority
        self._child = None
        self.folder = namespace.folder / "nginx"
        self.folder.mkdir()
        for part in ("certs", "sites", "tmp"):
            (self.folder / part).mkdir()
        (self.folder / "nginx.conf").write_text(self._conf(), encoding="ascii")

    def publish(self, domain, text, certificate=None):
        """Serve a policy; the certificate is a good one unless given."""
        host = f"mta-sts.{domain}"
        if certificate is None:
            certificate = self._authority.issue(host)
        for ending, source in (("pem", certificate.cert), ("key", certificate.key)):
            link = self.folder / "certs" / f"{host}.{ending}"
            link.unlink(missing_ok=True)
            link.symlink_to(source)
        site = self.folder / "sites" / host / ".well-known"
        site.mkdir(parents=True, exist_ok=True)
        fresh = site / "fresh"
        fresh.write_bytes(text if isinstance(text, bytes) else text.encode())
        fresh.rename(site / "mta-sts.txt")

    def requests(self, domain):
        """How often the policy of a domain was asked for."""
        log = pathlib.Path(self.folder / "access.log")
        if not log.exists():
            return 0
        return log.read_text(encoding="utf-8").split("\n").count(f"mta-sts.{domain}")

    def start(self):
        """Start nginx and wait until it takes connections."""
        self._child = self._namespace.start(
            ["nginx", "-c", self.folder / "nginx.conf"]
            + ["-e", self.folder / "error.log"],
            self.folder / "nginx.log",
            env=CLEAN_ENVIRONMENT,
        )
        wait_until(self._is_up, 10, "nginx")

    def stop(self):
        """Take all policy hosts down at once."""
        self._child.send_signal(signal.SIGTERM)
        self._child.wait(timeout=10)
        self._child = None

    def _is_up(self):
        try:
            self._namespace.connect((ADDRESS, 443), timeout=2).close()
        except (ConnectionError, socket.timeout):
            return False
        return True

    def _conf(self):
        base = self.folder
        temporary = "\n".join(
            f"  {kind}_temp_path {base}/tmp;"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        return f"""daemon off;
user root;
worker_processes 1;
pid {base}/nginx.pid;
error_log {base}/error.log;
events {{ worker_connections 512; }}
http {{
{temporary}
  log_format host "$host";
  access_log {base}/access.log host;
  types {{ }}
  default_type text/plain;
  server {{
    listen {ADDRESS}:443 ssl;
    listen [{ADDRESS_V6}]:443 ssl;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_certificate {base}/certs/$ssl_server_name.pem;
    ssl_certificate_key {base}/certs/$ssl_server_name.key;
    root {base}/sites/$host;
  }}
}}
"""
