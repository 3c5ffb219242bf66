"""The deliveries that show what strictmx is for, one row each.

`scripts/demo` prints them as a table, test_delivery.py asserts them.
"""

import contextlib
import dataclasses

from netns import wait_until

VERIFIED = "delivered, verified"
DELIVERED = "delivered"
DEFERRED = "deferred"
READ = "delivered, overheard"
STOLEN = "delivered to attacker"

ENFORCING = "bank.test"
TESTING = "shop.test"
WITHOUT_POLICY = "club.test"

# The forger's host has a good certificate, for its own name.
FORGED_HOST = "mx2.evil.test"

ATTACKS = {
    "strip": "STARTTLS stripped",
    "forge": "MX record forged",
    "swap": "certificate swapped",
}


@dataclasses.dataclass(frozen=True)
class Case:
    """One mail: who sends it where, during what, and what must become of it."""

    name: str
    title: str
    domain: str
    expected: str
    uses_strictmx: bool = True


@dataclasses.dataclass(frozen=True)
class Row:
    """A case and what came of it."""

    case: Case
    happened: str
    reason: str

    @property
    def is_good(self):
        """Whether it went as it should."""
        return self.happened == self.case.expected


def honest_cases():
    """Nobody attacks."""
    return [
        Case("honest-enforce", "honest domain, enforce", ENFORCING, VERIFIED),
        Case("honest-testing", "honest domain, testing", TESTING, DELIVERED),
        Case("honest-no-policy", "domain without a policy", WITHOUT_POLICY, DELIVERED),
    ]


def attack_cases(attack):
    """The same attack on three senders' mail."""
    lost = READ if attack == "strip" else STOLEN
    title = ATTACKS[attack]
    return [
        Case(f"{attack}-enforce", f"{title}, enforce", ENFORCING, DEFERRED),
        Case(f"{attack}-testing", f"{title}, testing", TESTING, lost),
        Case(f"{attack}-without", f"{title}, no strictmx", ENFORCING, lost, False),
    ]


@contextlib.contextmanager
def under_attack(world, attack):
    """Attack both domains, and stop at the end."""
    domains = (ENFORCING, TESTING)
    try:
        for domain in domains:
            if attack == "forge":
                world.mx_is(domain, FORGED_HOST)
            else:
                word = {"strip": "strip", "swap": "hijack"}[attack]
                world.wires[domain].set(word)
        yield
    finally:
        for domain in domains:
            if attack == "forge":
                world.mx_is(domain, f"mx.{domain}")
            else:
                world.wires[domain].set("pass")


def run_all(world, say=lambda text: None):
    """All deliveries; returns the rows in the order of the table."""
    rows = []
    say("honest mail")
    rows += send(world, honest_cases())
    attacked = []
    waiting = []
    for attack, title in ATTACKS.items():
        say(f"attack: {title}")
        with under_attack(world, attack):
            attacked += send(world, attack_cases(attack), waiting)
    for part in ("-enforce", "-testing", "-without"):
        rows += [row for row in attacked if row.case.name.endswith(part)]
    rows += policy_host_down(world, waiting, say)
    rows += attack_over(world, waiting, say)
    return rows


def policy_host_down(world, waiting, say):
    """A cached policy protects although it can't be fetched any more."""
    rows = []
    say("policy host goes down, certificate swapped")
    world.policy_hosts.stop()
    with under_attack(world, "swap"):
        case = Case("down-swap", "policy host down, cert swapped", ENFORCING, DEFERRED)
        rows += send(world, [case], waiting)
        say("strictmxd is killed and started again")
        world.strictmxd.kill()
        world.strictmxd.start()
        case = Case(
            "down-restart", "same, strictmxd killed -9", ENFORCING, DEFERRED
        )
        rows += send(world, [case], waiting)
    case = Case("down-honest", "policy host down, no attack", ENFORCING, VERIFIED)
    rows += send(world, [case])
    world.policy_hosts.start()
    return rows


def attack_over(world, waiting, say):
    """What was deferred arrives by itself when the attack ends."""
    say("attacks are over, the waiting mail is tried again")
    world.sender.flush()
    happened = {
        outcome_of(world, world.sender.outcome(queue_id, attempt=2), token)
        for queue_id, token in waiting
    }
    case = Case(
        "over", f"attacks over, {len(waiting)} waiting mails", ENFORCING, VERIFIED
    )
    last = world.sender.outcome(waiting[-1][0], attempt=2)
    return [Row(case, " / ".join(sorted(happened)), last.reason)]


def send(world, cases, waiting=None):
    """Send one mail for each case at the same time; returns the rows.

    Deferred ones are added to `waiting` as (queue id, token).
    """
    sent = []
    for case in cases:
        sender = world.sender if case.uses_strictmx else world.plain_sender
        sent.append((case, sender, *sender.submit(f"teller@{case.domain}")))
    rows = []
    for case, sender, queue_id, token in sent:
        delivery = sender.outcome(queue_id)
        if delivery.status == "deferred" and waiting is not None:
            waiting.append((queue_id, token))
        rows.append(Row(case, outcome_of(world, delivery, token), delivery.reason))
    return rows


def outcome_of(world, delivery, token):
    """What became of a mail, by what the mailboxes and the wires say."""
    if delivery.status != "sent":
        return delivery.status
    mailboxes = [*world.receivers.values(), world.attacker]
    where = wait_until(
        lambda: next((m for m in mailboxes if m.has(token)), None),
        15,
        "the mail in a mailbox",
    )
    if where is world.attacker:
        return STOLEN
    if any(wire.was_read(token) for wire in world.wires.values()):
        return READ
    return VERIFIED if delivery.is_verified else DELIVERED
