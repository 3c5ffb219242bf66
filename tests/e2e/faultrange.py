"""What every row of the fault catalogue goes through.

Two daemons ask a forwarder that can go wrong: one knows nothing yet, the other
has a policy for every row, two days old, so that it wants to fetch it again at
the first question.
"""

import dataclasses
import datetime
import re
import time

from netns import wait_until
from policyhost import policy_text

PARENT = "faults.test"
CACHED_POLICY = policy_text("enforce", "mx.hoster.test")
CACHED_ANSWER = "OK secure match=mx.hoster.test servername=hostname"
NO_POLICY = "NOTFOUND "

# What never answers is given up earlier than by default: there is much of it.
SETTINGS = {"https_timeout": "3s"}

# The daemon promises 5 s, at most 10; the rest is for a busy machine.
ANSWER_BOUND = 15


@dataclasses.dataclass(frozen=True)
class Row:
    """One row: its name, and the finding that the log has (None: any, or none)."""

    name: str
    reason: str | None = None

    @property
    def cold(self):
        """The domain of which nothing is known."""
        return f"{self.name}.{PARENT}"

    @property
    def warm(self):
        """The domain whose policy is in the cache."""
        return f"warm-{self.name}.{PARENT}"


def two_days_ago():
    """A time as `strictmx cache import` takes it."""
    then = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=2)
    return then.strftime("%Y-%m-%dT%H:%M:%SZ")


class FaultRange:
    """The two daemons."""

    def __init__(self, world, name, port, forwarder, warm_domains):
        self.cold = world.daemon(
            f"{name}-cold", port=port, forwarders=[forwarder.address], **SETTINGS
        )
        self.warm = world.daemon(
            f"{name}-warm", port=port + 1, forwarders=[forwarder.address], **SETTINGS
        )
        self._domains = list(warm_domains)

    def start(self):
        """Start both, and make the warm one try every row at once."""
        at = two_days_ago()
        done = self.warm.import_policies(
            (domain, "old", at, CACHED_POLICY) for domain in self._domains
        )
        assert done.returncode == 0, done.stdout
        self.cold.start()
        self.warm.start()
        for domain in self._domains:
            assert self.warm.ask(domain) == CACHED_ANSWER

    def stop(self):
        """Stop both, which have to be well."""
        for daemon in (self.cold, self.warm):
            daemon.check_healthy()
            assert daemon.stop() == 0, daemon.log()

    def check_cold(self, domain, reason):
        """No policy is found, the log says why, and the daemon lives."""
        began = time.monotonic()
        answer = self.cold.query(domain)
        assert answer.text == NO_POLICY, self.cold.log()[-2000:]
        assert time.monotonic() - began < ANSWER_BOUND
        if reason:
            check_finding(self.cold, domain, reason)
        self.cold.check_healthy()

    def check_warm(self, domain, reason, was_tried=None):
        """The fetch has failed, and the cached policy is still in force.

        It is asked for all the time meanwhile: only mail that flows makes the
        daemon look again, and it does not look at everything at once.
        """

        def tried():
            assert self.warm.ask(domain) == CACHED_ANSWER
            return was_tried() if was_tried else find_finding(self.warm, domain)

        wait_until(tried, 30, f"the daemon to try {domain} again")
        if reason:
            line = check_finding(self.warm, domain, reason)
            assert "cached policy stays in force" in line
        assert self.warm.query(domain).text == CACHED_ANSWER
        self.warm.check_healthy()

    def check_works(self, domain, answer=CACHED_ANSWER):
        """This is unusual but right: the policy is found."""
        found = self.cold.query(domain)
        assert found.text == answer, self.cold.log()[-2000:]


def find_finding(daemon, domain):
    """The first finding about a domain in the log, or the policy found."""
    finding = r".*\[([a-z-]+)\]"
    # When a policy is found instead there is no use in waiting.
    found = r"policy (?:found|changed|refreshed)"
    pattern = rf"(?m)^\w+: {re.escape(domain)}: (?:{finding}|{found}).*$"
    return re.search(pattern, daemon.log())


def check_finding(daemon, domain, reasons):
    """The first finding about a domain is one of these; returns its line."""
    match = wait_until(
        lambda: find_finding(daemon, domain), 30, f"a finding about {domain}"
    )
    assert match[1] in reasons.split("|"), match[0]
    return match[0]
