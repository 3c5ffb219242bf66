"""Debian 13's Postfix takes every answer that can be made of a policy.

An attribute that Postfix does not like makes it reject the whole answer and
defer the mail for good.  So each odd policy is fetched, answered under the map
name `strictmx`, and one mail has to arrive over a verified connection.
"""

import pytest

import deliveries
from netns import wait_until
from policyhost import policy_text
from trixie import TrixieSender

MX = "mx.hoster.test"
LONG_NAME = ".".join(["a" * 60] * 4) + ".test"
POOL = [f"mx{number}.pool.hoster.test" for number in range(300)]

# The certificate of the mail host is for mx.hoster.test.
ENFORCED = {
    "one-mx": policy_text("enforce", MX),
    "several-mx": policy_text("enforce", "mx.bank.test", "b.example", MX),
    "wildcard": policy_text("enforce", "*.hoster.test"),
    "wildcards-and-names": policy_text("enforce", "*.x.test", MX, "*.y.test", "c.test"),
    "mx-in-capitals": policy_text("enforce", "MX.Hoster.TEST"),
    "mx-repeated": policy_text("enforce", MX, MX, MX.upper(), MX),
    "mx-of-253-octets": policy_text("enforce", MX, LONG_NAME[:253]),
    "mx-a-label": policy_text("enforce", "xn--bnk-qla.test", MX),
    "mx-of-digits": policy_text("enforce", "1-2.3.test", MX),
    "extensions": policy_text(
        "enforce", MX, extra=["contact: someone at example", "a.b-c_d: 1", "9: 2"]
    ),
    "extension-of-32": policy_text("enforce", MX, extra=[f"{'k' * 32}: {'v' * 900}"]),
    "closing-brace": policy_text(
        "enforce", MX, extra=["x: } match=evil.test {", "y: }}}", "z: }"]
    ),
    "opening-brace": policy_text("enforce", MX, extra=["x: {", "y: {{{ a = b"]),
    "pair-of-braces": policy_text("enforce", MX, extra=["x: { policy_type = tlsa }"]),
    "attributes": policy_text(
        "enforce", MX, extra=["x: policy_type=tlsa match=evil.test protocols=!TLSv1.3"]
    ),
    "commas": policy_text("enforce", MX, extra=["x: a,b, c ,,d", "y: ,"]),
    "equals": policy_text("enforce", MX, extra=["x: =", "y: a==b", "z: = ="]),
    "quotes": policy_text("enforce", MX, extra=["x: \"a' b\"", "y: \"", "z: '"]),
    "dollars": policy_text("enforce", MX, extra=["x: $myhostname ${x} $(y) $$ %s %n"]),
    "backslashes": policy_text("enforce", MX, extra=["x: \\n \\", "y: a\\"]),
    "hash-and-semicolon": policy_text("enforce", MX, extra=["x: # a ; b // c"]),
    "colons": policy_text("enforce", MX, extra=["x: a: b: c", "y: ::"]),
    "utf-8": policy_text("enforce", MX, extra=["x: käse ☃ \u202e abc", "y: 𝄞"]),
    "blanks": (
        f"version:STSv1\r\nmode: \t enforce  \r\nmx:\t{MX} \r\nmax_age:  600 \r\n"
    ),
    "lf-no-final-newline": f"version: STSv1\nmode: enforce\nmx: {MX}\nmax_age: 86400",
    "other-order": f"max_age: 99\r\nmx: {MX}\r\nmode: enforce\r\nversion: STSv1\r\n",
    "repeated-fields": policy_text(
        "enforce", MX, extra=["mode: none", "max_age: 1", "version: STSv9"]
    ),
    "max-age-leading-zeros": policy_text("enforce", MX, max_age="0000604800"),
    "max-age-ten-digits": policy_text("enforce", MX, max_age="9999999999"),
    "300-mx": policy_text("enforce", MX, *POOL),
    # As text for Postfix this is longer than a reply may be.
    "64k-of-mx": policy_text(
        "enforce", MX, *(f"h{n}.{'q' * 20}.test" for n in range(1650))
    ),
    "64k-of-extensions": policy_text(
        "enforce", MX, extra=[f"x{n}: {'y' * 100}" for n in range(550)]
    ),
    "5000-short-extensions": policy_text(
        "enforce", MX, extra=[f"{n}: 1" for n in range(5000)]
    ),
}

NOT_ENFORCED = {
    "testing": policy_text("testing", "mx.bank.test"),
    "none": policy_text("none", "mx.bank.test"),
    "none-without-mx": policy_text("none"),
    "max-age-zero-testing": policy_text("testing", MX, max_age=0),
    "no-policy": None,
    "invalid": policy_text("enforce", "not_a_host"),
}


@pytest.fixture(scope="module")
def sender(world):
    """Debian 13's Postfix, asking strictmxd as map `strictmx`."""
    made = TrixieSender(
        world,
        "trixie",
        2540,
        "socketmap:inet:127.0.0.1:8461:strictmx",
        smtp_tls_enforce_sts_mx_patterns="yes",
    )
    child = made.start()
    made.wait_started(child)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def sent(world, sender):
    """One mail to each domain, all handed in before the first is looked at."""
    forms = {**ENFORCED, **NOT_ENFORCED}
    names = [f"{name}.forms.test" for name in forms]
    certificate = world.authority.issue(*(f"mta-sts.{name}" for name in names))
    for name, text in zip(names, forms.values()):
        if text is not None:
            world.policy(name, text, certificate=certificate)
        world.dns.set(name, "MX", f"10 {MX}.")
    world.dns.publish("forms.test")
    return {form: sender.submit(f"a@{form}.forms.test") for form in forms}


def test_version(sender):
    """It is the Postfix whose attributes are asked for."""
    version = sender.run("postconf", "-h", "mail_version").stdout
    assert tuple(map(int, version.split(".")[:2])) >= (3, 10)


@pytest.mark.parametrize("form", ENFORCED)
def test_enforced(world, sender, sent, form):
    """The answer is understood, and the connection verified by it."""
    queue_id, token = sent[form]
    delivery = sender.outcome(queue_id)
    assert delivery.status == "sent" and delivery.is_verified, delivery
    hoster = world.receivers["hoster.test"]
    wait_until(lambda: hoster.has(token), 15, "the mail")
    reply = world.strictmxd.ask(f"{form}.forms.test", "strictmx")
    assert reply.startswith("OK secure match=")
    assert len(reply) <= 100000


@pytest.mark.parametrize("form", NOT_ENFORCED)
def test_not_enforced(world, sender, sent, form):
    """No answer is no obstacle."""
    delivery = sender.outcome(sent[form][0])
    assert delivery.status == "sent" and not delivery.is_verified, delivery
    assert world.strictmxd.ask(f"{form}.forms.test", "strictmx") == "NOTFOUND "


def test_reports_name_the_policy(world, sent):
    """The usual answer has what Postfix needs for a TLS report."""
    reply = world.strictmxd.ask("one-mx.forms.test", "strictmx")
    assert "policy_type=sts" in reply
    assert "policy_domain=one-mx.forms.test" in reply
    assert f"mx_host_pattern={MX}" in reply
    assert "{ policy_string = mode: enforce }" in reply


@pytest.mark.parametrize(
    "domain, honest, forged",
    [
        ("bank.test", "mx.bank.test", deliveries.FORGED_HOST),
        ("wild.test", "a.pool.hoster.test", "mx.hoster.test"),
    ],
)
def test_forged_mx_is_skipped(world, sender, domain, honest, forged):
    """Postfix 3.10.5 and later does not even connect to a host outside."""
    world.mx_is(domain, forged)
    try:
        delivery, token = sender.send(f"teller@{domain}")
    finally:
        world.mx_is(domain, honest)
    assert delivery.status == "deferred" and delivery.relay == "none", delivery
    assert f"MX name '{forged}' does not match STS MX pattern for '{domain}'" in (
        sender.log()
    )
    assert not world.attacker.has(token)


@pytest.mark.parametrize("attack", ["strip", "swap"])
def test_other_attacks(world, sender, attack):
    """The attacks of the demo, against Debian 13's Postfix."""
    with deliveries.under_attack(world, attack):
        delivery, _ = sender.send("teller@bank.test")
    assert delivery.status == "deferred", delivery


def test_no_policy_warning(sender, sent):
    """In all of the log there is no word against an answer."""
    for queue_id, _ in sent.values():
        sender.outcome(queue_id)
    assert sender.policy_warnings() == []
