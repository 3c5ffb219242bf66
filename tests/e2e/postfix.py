"""Postfix instances: receivers, an attacker, senders; and what they log."""

import pathlib
import pwd
import re
import shutil
import smtplib
import uuid

from netns import CLEAN_ENVIRONMENT, wait_until

# Whoever owns the delivered mail: virtual(8) refuses uids below 100.
MAILBOX_USER = "nobody"

SERVICES = """\
pickup     unix n - n 60 1 pickup
cleanup    unix n - n - 0 cleanup
qmgr       unix n - n 300 1 qmgr
tlsmgr     unix - - n 1000? 1 tlsmgr
rewrite    unix - - n - - trivial-rewrite
bounce     unix - - n - 0 bounce
defer      unix - - n - 0 bounce
trace      unix - - n - 0 bounce
verify     unix - - n - 1 verify
flush      unix n - n 1000? 0 flush
proxymap   unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp       unix - - {chroot} - - smtp
relay      unix - - {chroot} - - smtp
showq      unix n - n - - showq
error      unix - - n - - error
retry      unix - - n - - error
discard    unix - - n - - discard
virtual    unix - n n - - virtual
anvil      unix - - n - 1 anvil
scache     unix - - n - 1 scache
postlog    unix-dgram n - n - 1 postlogd
"""

STATUS_LINE = re.compile(
    r"postfix/(?P<service>\w+)\[(?P<pid>\d+)\]: (?P<queue>\w+): "
    r"to=<(?P<to>[^>]*)>.* relay=(?P<relay>\S+),.* dsn=(?P<dsn>[\d.]+), "
    r"status=(?P<status>\w+) \((?P<text>.*)\)$"
)
TLS_LINE = re.compile(
    r"postfix/smtp\[(?P<pid>\d+)\]: (?P<text>\w+ TLS connection established to .*)$"
)
# Why a certificate was not good enough; it stands before the line above.
CERTIFICATE_LINE = re.compile(
    r"postfix/smtp\[(?P<pid>\d+)\]: (?:server )?certificate verification failed "
    r"for \S+: (?:num=\d+:)?(?P<text>.*)$"
)
# What Postfix says when it does not like a policy; mail waits for ever then.
POLICY_WARNING = re.compile(
    r"(?:warning|error|fatal|panic): .*(?:polic|socketmap|invalid|unused|ignoring"
    r"|malformed|look-?up|attribute|smtp_tls)[^\n]*",
    re.I,
)


class Delivery:
    """What became of one mail, in the words of the sender's log."""

    def __init__(self, match, tls, certificate):
        self.status = match["status"]
        self.dsn = match["dsn"]
        self.relay = match["relay"]
        self.text = match["text"]
        # "Verified TLS connection established to …", None for clear text.
        self.tls = tls
        # What is wrong with the certificate, where Postfix looked.
        self.certificate = certificate

    @property
    def is_verified(self):
        """Whether the TLS session was authenticated as the policy asks."""
        return bool(self.tls) and self.tls.startswith("Verified ")

    @property
    def reason(self):
        """The log's words, short enough for a table."""
        if self.status == "sent":
            return self.tls.partition(" with cipher")[0] if self.tls else (
                f"{self.text}, no TLS connection"
            )
        if self.certificate:
            return f"{self.text}: {self.certificate} ({self.relay})"
        return self.text

    def __repr__(self):
        return f"{self.status} {self.dsn} {self.relay} ({self.text}) tls={self.tls}"


class Postfix:
    """One Postfix with folders of its own, started in the world's namespace.

    chrooted runs smtp(8) in the queue directory, as Debian does by default.
    """

    program = "postfix"

    def __init__(self, namespace, name, settings, listeners, *, chrooted=False):
        self.namespace = namespace
        self.name = name
        self.folder = namespace.folder / name
        self.log_file = self.folder / "mail.log"
        self.chrooted = chrooted
        self._settings = settings
        # Lines of master.cf for smtpd(8), with their own options.
        self._listeners = listeners

    @property
    def queue(self):
        """The queue directory."""
        return self.folder / "queue"

    def configure(self):
        """Write the configuration; call it again after a change."""
        self.folder.mkdir(exist_ok=True)
        for part in ("etc", "queue", "data", "mail"):
            (self.folder / part).mkdir(exist_ok=True)
        self._own_folders()
        settings = {
            "compatibility_level": "3.6",
            "config_directory": self.seen(self.folder / "etc"),
            "queue_directory": self.seen(self.queue),
            "data_directory": self.seen(self.folder / "data"),
            "maillog_file": self.seen(self.log_file),
            "maillog_file_prefixes": self.seen(self.folder),
            "myhostname": f"{self.name}.test",
            "mynetworks": "127.0.0.0/8",
            "inet_protocols": "ipv4",
            "inet_interfaces": "127.0.0.1",
            "alias_maps": "",
            "alias_database": "",
            "local_recipient_maps": "",
            "local_transport": "error:no local mail here",
            "mydestination": "",
            "smtputf8_enable": "no",
            "biff": "no",
            **self._settings,
        }
        text = "".join(f"{key} = {value}\n" for key, value in settings.items())
        (self.folder / "etc" / "main.cf").write_text(text, encoding="utf-8")
        master = "".join(
            f"{listener.split()[0]} inet n - n - - smtpd"
            + "".join(f"\n  -o {option}" for option in listener.split()[1:])
            + "\n"
            for listener in self._listeners
        )
        master += SERVICES.format(chroot="y" if self.chrooted else "n")
        (self.folder / "etc" / "master.cf").write_text(master, encoding="utf-8")

    def seen(self, path):
        """A path as this Postfix sees it."""
        return pathlib.Path(path)

    def _own_folders(self):
        shutil.chown(self.folder / "data", "postfix")
        shutil.chown(self.folder / "mail", MAILBOX_USER)

    def command(self, *words):
        """A Postfix command line for this instance."""
        head, *rest = words
        return [head, "-c", str(self.seen(self.folder / "etc")), *rest]

    def run(self, *words, **kwargs):
        """Run a Postfix command of this instance."""
        return self.namespace.run(self.command(*words), **kwargs)

    def start(self):
        """Start it; master(8) goes to the background by itself."""
        self.configure()
        return self.namespace.start(
            self.command("postfix", "start"),
            self.folder / "start.log",
            env=CLEAN_ENVIRONMENT,
        )

    def wait_started(self, child):
        """Wait for what start() returned."""
        child.wait(timeout=60)
        wait_until(
            lambda: "daemon started" in self.log(), 30, f"the start of {self.name}"
        )

    def stop(self):
        """Stop it and wait until master(8) is gone."""
        self.run("postfix", "stop")

    def log(self):
        """The whole mail log."""
        if not self.log_file.exists():
            return ""
        return self.log_file.read_text(encoding="utf-8", errors="backslashreplace")

    def policy_warnings(self):
        """Lines in which it complains about a policy."""
        return POLICY_WARNING.findall(self.log())

    def flush(self):
        """Try all deferred mail again, now."""
        self.run("postqueue", "-f")


class Receiver(Postfix):
    """A Postfix that takes mail and puts it into one maildir.

    domains    what it is responsible for, None: everything
    addresses  address -> Certificate, or None for no STARTTLS there
    """

    def __init__(self, namespace, name, hostname, domains, addresses):
        uid = pwd.getpwnam(MAILBOX_USER).pw_uid
        settings = {
            "myhostname": hostname,
            "inet_interfaces": ", ".join(addresses),
            "virtual_mailbox_domains": ", ".join(domains) if domains else "static:all",
            "virtual_mailbox_maps": "static:all/",
            "virtual_mailbox_base": namespace.folder / name / "mail",
            "virtual_uid_maps": f"static:{uid}",
            "virtual_gid_maps": f"static:{uid}",
            "smtpd_recipient_restrictions": "reject_unauth_destination",
            "smtpd_tls_loglevel": "1",
            # The sender is one and the same address for all.
            "smtpd_client_connection_count_limit": "0",
        }
        listeners = []
        for address, certificate in addresses.items():
            if certificate is None:
                options = "smtpd_tls_security_level=none"
            else:
                options = (
                    "smtpd_tls_security_level=may "
                    f"smtpd_tls_cert_file={certificate.cert} "
                    f"smtpd_tls_key_file={certificate.key}"
                )
            listeners.append(f"{address}:25 {options}")
        super().__init__(namespace, name, settings, listeners)
        self._mail = self.folder / "mail" / "all" / "new"

    def has(self, token):
        """Whether a mail with this word in it has arrived."""
        if not self._mail.exists():
            return False
        return any(token.encode() in mail.read_bytes() for mail in self._mail.iterdir())


class Sender(Postfix):
    """A Postfix that sends mail, and tells what became of it."""

    def __init__(self, namespace, name, port, ca_file, policy_maps, **options):
        settings = {
            "smtp_tls_security_level": "may",
            "smtp_tls_CAfile": ca_file,
            "smtp_tls_loglevel": "1",
            "smtp_connection_cache_on_demand": "no",
            "smtp_connect_timeout": "5s",
            # One failure must not keep the next mail from being tried.
            "default_destination_concurrency_failed_cohort_limit": "1000",
            # And a deferred mail is tried again only when a test says so.
            "minimal_backoff_time": "3600s",
            "maximal_backoff_time": "3600s",
            "queue_run_delay": "3600s",
            "confirm_delay_cleared": "no",
            "notify_classes": "",
            **options.pop("settings", {}),
        }
        if policy_maps:
            settings["smtp_tls_policy_maps"] = policy_maps
        super().__init__(
            namespace, name, settings, [f"127.0.0.1:{port}"], **options
        )
        self.port = port

    def submit(self, recipient, *others, sender="sender@sender.test"):
        """Hand in one mail; returns its queue id and a word it contains."""
        token = uuid.uuid4().hex
        sock = self.namespace.connect(("127.0.0.1", self.port))
        session = smtplib.SMTP(local_hostname="localhost", timeout=20)
        session.sock = sock
        session.file = None
        session.getreply()
        with session:
            session.ehlo()
            session.mail(sender)
            for address in (recipient, *others):
                session.rcpt(address)
            text = (
                f"From: sender@sender.test\r\nTo: {recipient}\r\n"
                f"Subject: {token}\r\nMessage-Id: <{token}@sender.test>\r\n\r\n"
                "The vault opens at nine.\r\n"
            )
            code, reply = session.data(text)
        if code != 250:
            raise RuntimeError(f"{self.name} took no mail: {code} {reply!r}")
        queue_id = reply.decode().rsplit(" ", 1)[1]
        return queue_id, token

    def outcome(self, queue_id, timeout=40, attempt=1):
        """The Delivery of a mail, once that attempt is in the log."""
        return wait_until(
            lambda: self._find(queue_id, attempt), timeout, f"the end of {queue_id}"
        )

    def send(self, recipient, timeout=40):
        """Hand in one mail and wait; returns its Delivery and its word."""
        queue_id, token = self.submit(recipient)
        return self.outcome(queue_id, timeout), token

    def _find(self, queue_id, attempt):
        tls_of = {}
        certificate_of = {}
        seen = 0
        for line in self.log().splitlines():
            if tls := TLS_LINE.search(line):
                tls_of[tls["pid"]] = tls["text"]
                continue
            if wrong := CERTIFICATE_LINE.search(line):
                certificate_of[wrong["pid"]] = wrong["text"]
                continue
            match = STATUS_LINE.search(line)
            if not match:
                continue
            # A process logs the connection first, then the mail sent over it.
            tls = tls_of.pop(match["pid"], None)
            certificate = certificate_of.pop(match["pid"], None)
            if match["queue"] == queue_id:
                seen += 1
                if seen == attempt:
                    return Delivery(match, tls, certificate)
        return None
