"""The DNS rows of the fault catalogue, asked through a running strictmxd."""

import pytest

import dnsfault
import policyhost
import zones
from faultrange import CACHED_ANSWER, CACHED_POLICY, FaultRange, Row
from netns import wait_until

FORWARDER = "10.53.0.54"
LAME_SERVER = "10.53.0.58"
GOOD = "v=STSv1; id=1;"

# What the log says is the name of a row of src/core/diag.def.
FAILURE = "dns-failure"
EITHER = "dns-failure|dns-timeout"
BOGUS = "dns-bogus"
NO_HOST = "host-no-address"
HOST_FAILURE = "host-dns-failure"
NONE = "txt-none"

# Row -> script for the TXT record of _mta-sts.
TXT_SCRIPTS = {
    Row("time-out", EITHER): dnsfault.silence,
    Row("servfail", FAILURE): dnsfault.rcode("SERVFAIL"),
    Row("refused", FAILURE): dnsfault.rcode("REFUSED"),
    Row("notimp", FAILURE): dnsfault.rcode("NOTIMP"),
    Row("formerr", FAILURE): dnsfault.rcode("FORMERR"),
    Row("truncated-tcp-silent", EITHER): dnsfault.truncated(dnsfault.silence),
    Row("truncated-tcp-servfail", FAILURE): dnsfault.truncated(
        dnsfault.rcode("SERVFAIL")
    ),
    Row("garbage", EITHER): dnsfault.garbage,
    Row("short-packet", EITHER): dnsfault.short_packet,
    Row("pointer-loop", EITHER): dnsfault.pointer_loop,
    Row("string-beyond-record", FAILURE): dnsfault.string_beyond_record,
    Row("cname-to-itself", EITHER): dnsfault.alias_of_itself,
    Row("wrong-id", EITHER): dnsfault.wrong_id(GOOD),
    Row("wrong-question", FAILURE): dnsfault.wrong_question(GOOD),
    Row("id-with-hyphen", "txt-id-char"): dnsfault.records(
        '"v=STSv1; id=2026-01-01;"'
    ),
    Row("no-id", "txt-id-missing"): dnsfault.records('"v=STSv1;"'),
    Row("empty-txt", NONE): dnsfault.records('""'),
    Row("huge-txt", "txt-too-long"): dnsfault.records(
        zones.txt("v=STSv1; id=1; x=" + "y" * 20000)
    ),
    Row("different-each-time", None): dnsfault.round_robin(
        dnsfault.rcode("SERVFAIL"),
        dnsfault.records('"v=STSv1; id=-;"'),
        dnsfault.rcode("NXDOMAIN"),
        dnsfault.rcode("REFUSED"),
    ),
}

# Row -> records in the real zone: (owner, type, data), @ is the domain.
ZONE_RECORDS = {
    Row("nxdomain", NONE): [],
    Row("nodata", NONE): [("_mta-sts", "A", "192.0.2.1")],
    Row("two-records", "txt-several"): [
        ("_mta-sts", "TXT", '"v=STSv1; id=1;"', '"v=STSv1; id=2;"')
    ],
    Row("cname-loop", EITHER): [
        ("_mta-sts", "CNAME", "loop-a.faults.test."),
    ],
    Row("cname-to-nowhere", NONE): [("_mta-sts", "CNAME", "nowhere.faults.test.")],
    Row("host-nxdomain", NO_HOST): [
        ("_mta-sts", "TXT", f'"{GOOD}"')
    ],
    Row("host-nodata", NO_HOST): [
        ("_mta-sts", "TXT", f'"{GOOD}"'),
        ("mta-sts", "TXT", '"not an address"'),
    ],
    Row("host-cname-loop", HOST_FAILURE): [
        ("_mta-sts", "TXT", f'"{GOOD}"'),
        ("mta-sts", "CNAME", "loop-a.faults.test."),
    ],
}

# Row -> script for the addresses of the policy host; its record is good.
HOST_SCRIPTS = {
    Row("host-servfail", HOST_FAILURE): dnsfault.rcode("SERVFAIL"),
    Row("host-time-out", HOST_FAILURE): dnsfault.silence,
    Row("host-garbage", HOST_FAILURE): dnsfault.garbage,
}

# Rows that live in zones of their own: (zone, reason).
SIGNED_ROWS = {
    "damaged-signature": ("damaged.test", BOGUS),
    "expired-signature": ("expired.test", BOGUS),
    "signatures-cut-out": ("signed.test", BOGUS),
    "lame": ("lame.test", EITHER),
}

SIMPLE_ROWS = [*TXT_SCRIPTS, *ZONE_RECORDS, *HOST_SCRIPTS]

WORKS = [
    "cname-chain",
    "cname-into-other-zone",
    "host-cname-chain",
    "split-strings",
    "one-octet-strings",
    "truncated-to-tcp",
    "unrelated-records",
    "two-addresses-first-dead",
    "address-only-v6",
    "signed",
]


def _owner(prefix, domain):
    return f"{prefix}.{domain}"


def _publish_faults(world, forwarder):
    dns = world.dns
    dns.set("loop-a.faults.test", "CNAME", "loop-b.faults.test.")
    dns.set("loop-b.faults.test", "CNAME", "loop-a.faults.test.")
    for row, script in TXT_SCRIPTS.items():
        for domain in (row.cold, row.warm):
            forwarder.script(_owner("_mta-sts", domain), "TXT", script)
    for row, records in ZONE_RECORDS.items():
        for domain in (row.cold, row.warm):
            for owner, kind, *data in records:
                dns.set(_owner(owner, domain), kind, *data)
    for row, script in HOST_SCRIPTS.items():
        for domain in (row.cold, row.warm):
            dns.set(_owner("_mta-sts", domain), "TXT", f'"{GOOD}"')
            for kind in ("A", "AAAA"):
                forwarder.script(_owner("mta-sts", domain), kind, script)


def _publish_signed(world, forwarder):
    for zone, _ in SIGNED_ROWS.values():
        for domain in (f"cold.{zone}", f"warm.{zone}"):
            if zone == "lame.test":
                continue
            world.policy(domain, CACHED_POLICY)
    # Delegated to a server that knows nothing of it.
    world.dns.set("ns.evil.test", "A", LAME_SERVER)
    world.dns.zones["test"].set("lame.test.", "NS", "ns.evil.test.")
    for domain in ("cold.signed.test", "warm.signed.test"):
        forwarder.script(
            _owner("_mta-sts", domain), "TXT", dnsfault.without_signatures(forwarder)
        )
    world.policy("whole.signed.test", CACHED_POLICY)


def _publish_working(world, forwarder):
    dns = world.dns
    for name in WORKS:
        if name != "signed":
            world.policy(f"{name}.faults.test", CACHED_POLICY)

    def txt(name, *data):
        dns.set(f"_mta-sts.{name}.faults.test", "TXT", *data)

    for name, target in (
        ("cname-chain", "step1.faults.test."),
        ("cname-into-other-zone", "record.forms.test."),
    ):
        txt(name)
        dns.set(f"_mta-sts.{name}.faults.test", "CNAME", target)
    for step in range(1, 5):
        dns.set(f"step{step}.faults.test", "CNAME", f"step{step + 1}.faults.test.")
    dns.set("step5.faults.test", "TXT", f'"{GOOD}"')
    dns.set("record.forms.test", "TXT", f'"{GOOD}"')
    host = "mta-sts.host-cname-chain.faults.test"
    dns.set(host, "A")
    dns.set(host, "CNAME", "hop1.faults.test.")
    dns.set("hop1.faults.test", "CNAME", "hop2.forms.test.")
    dns.set("hop2.forms.test", "A", policyhost.ADDRESS)
    txt("split-strings", zones.txt(GOOD, split=7))
    txt("one-octet-strings", zones.txt(GOOD, split=1))
    txt("unrelated-records", f'"{GOOD}"', *(f'"other={n}"' for n in range(40)))
    dns.set(
        "mta-sts.two-addresses-first-dead.faults.test",
        "A",
        "10.80.0.99",
        policyhost.ADDRESS,
    )
    dns.set("mta-sts.address-only-v6.faults.test", "A")
    dns.set("mta-sts.address-only-v6.faults.test", "AAAA", policyhost.ADDRESS_V6)
    forwarder.script(
        "_mta-sts.truncated-to-tcp.faults.test",
        "TXT",
        dnsfault.truncated(dnsfault.records(f'"{GOOD}"')),
    )


@pytest.fixture(scope="module")
def forwarder(world):
    """The forwarder between the daemons and the DNS of the world."""
    server = dnsfault.Forwarder(world.namespace, FORWARDER, world.resolver)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def faults(world, forwarder):
    """The cold and the warm daemon, with all rows published."""
    lame = dnsfault.Forwarder(
        world.namespace, LAME_SERVER, None, default=dnsfault.rcode("REFUSED")
    )
    lame.start()
    # Nothing answers there, but the network takes the packets.
    world.namespace.add_addresses(["10.80.0.99"])
    _publish_faults(world, forwarder)
    _publish_signed(world, forwarder)
    _publish_working(world, forwarder)
    world.dns.publish()
    warm = [row.warm for row in SIMPLE_ROWS]
    warm += [f"warm.{zone}" for zone, _ in SIGNED_ROWS.values()]
    made = FaultRange(world, "dns", 8480, forwarder, warm)
    made.start()
    yield made
    made.stop()
    lame.stop()


@pytest.mark.parametrize("row", SIMPLE_ROWS, ids=lambda row: row.name)
def test_nothing_cached(faults, row):
    """Without a policy in the cache the mail goes out as it would anyway."""
    faults.check_cold(row.cold, row.reason)


@pytest.mark.parametrize("name", SIGNED_ROWS)
def test_nothing_cached_signed(faults, name):
    """The same for zones that are signed, wrongly."""
    zone, reason = SIGNED_ROWS[name]
    faults.check_cold(f"cold.{zone}", reason)


@pytest.mark.parametrize("row", SIMPLE_ROWS, ids=lambda row: row.name)
def test_cached_policy_stays(faults, forwarder, row):
    """A cached policy outlives every failure of the DNS."""
    owner = _owner("_mta-sts", row.warm)
    faults.check_warm(row.warm, row.reason, lambda: forwarder.asked(owner, "TXT"))


@pytest.mark.parametrize("name", SIGNED_ROWS)
def test_cached_policy_stays_signed(faults, forwarder, name):
    """The same for zones that are signed, wrongly."""
    zone, reason = SIGNED_ROWS[name]
    domain = f"warm.{zone}"
    owner = _owner("_mta-sts", domain)
    faults.check_warm(domain, reason, lambda: forwarder.asked(owner, "TXT"))


@pytest.mark.parametrize("name", WORKS)
def test_works(faults, name):
    """Unusual, but right."""
    domain = "whole.signed.test" if name == "signed" else f"{name}.faults.test"
    faults.check_works(domain)


@pytest.mark.parametrize("seconds", [0.5, 1, 2, 3])
def test_slow_forwarder(faults, forwarder, world, seconds):
    """A forwarder that has to ask far away takes its time, within 5 s."""
    domain = f"late-{str(seconds).replace('.', '-')}.faults.test"
    world.policy(domain, CACHED_POLICY)
    world.dns.publish("faults.test")
    answer = dnsfault.records(f'"{GOOD}"')
    forwarder.script(f"_mta-sts.{domain}", "TXT", dnsfault.late(seconds, answer))
    faults.check_works(domain)


def test_private_address_of_resolver_is_no_obstacle(world):
    """Only policy hosts have to be public, not the resolver."""
    assert world.strictmxd.query("bank.test").kind == "OK"


def test_on_dns_failure_defer(world, forwarder):
    """`defer` keeps mail back while the DNS gives no answer."""
    forwarder.script("_mta-sts.defer.faults.test", "TXT", dnsfault.rcode("SERVFAIL"))
    daemon = world.daemon(
        "dns-defer", port=8484, forwarders=[FORWARDER], on_dns_failure="defer"
    )
    daemon.start()
    try:
        assert daemon.query("defer.faults.test").kind == "TEMP"
        # That there is none is an answer too.
        assert daemon.query("nobody.faults.test").text == "NOTFOUND "
    finally:
        assert daemon.stop() == 0


def test_forwarder_dies_and_returns(world):
    """While it is away nothing is found; then everything is found again."""
    server = dnsfault.Forwarder(world.namespace, "10.53.0.55", world.resolver)
    for number in range(100):
        domain = f"again{number}.faults.test"
        server.script(f"_mta-sts.{domain}", "TXT", dnsfault.records('""'))
    names = [f"back{number}.faults.test" for number in range(40)]
    certificate = world.authority.issue(*(f"mta-sts.{name}" for name in names))
    for name in names:
        world.policy(name, CACHED_POLICY, certificate=certificate)
    world.dns.publish("faults.test")
    daemon = world.daemon("dns-returns", port=8485, forwarders=["10.53.0.55"])
    server.start()
    daemon.start()
    try:
        assert daemon.query(names.pop()).text == CACHED_ANSWER
        server.stop()
        assert daemon.query(names.pop()).text == "NOTFOUND "
        server.start()
        # A fresh name each time: a failed one is not asked for again so soon.
        wait_until(
            lambda: daemon.query(names.pop()).text == CACHED_ANSWER,
            len(names),
            "the forwarder to be used again",
            interval=1,
        )
        daemon.check_healthy()
    finally:
        server.stop()
        daemon.stop()


def test_second_forwarder_is_used(world):
    """One dead forwarder of two stops nothing."""
    world.policy("second.faults.test", CACHED_POLICY)
    world.dns.publish("faults.test")
    daemon = world.daemon(
        "dns-second", port=8486, forwarders=["10.80.0.99", world.resolver]
    )
    daemon.start()
    try:
        assert daemon.query("second.faults.test").text == CACHED_ANSWER
    finally:
        assert daemon.stop() == 0


def test_no_forwarder_asks_the_authorities(world):
    """`forwarders = {}`: from the root down, with nobody in between."""
    world.policy("iterated.signed.test", CACHED_POLICY)
    world.dns.publish("signed.test")
    daemon = world.daemon("dns-iterating", port=8488, forwarders=[])
    daemon.start()
    try:
        assert daemon.query("iterated.signed.test").text == CACHED_ANSWER
        assert daemon.query("nobody.signed.test").text == "NOTFOUND "
        daemon.wait_log("iterated.signed.test: policy found.*record signed")
    finally:
        assert daemon.stop() == 0


def test_resolv_conf_is_followed(world):
    """Without `forwarders` those of resolv.conf, also after it has changed."""
    names = [f"resolv{number}.faults.test" for number in range(40)]
    certificate = world.authority.issue(*(f"mta-sts.{name}" for name in names))
    for name in names:
        world.policy(name, CACHED_POLICY, certificate=certificate)
    world.dns.publish("faults.test")
    daemon = world.daemon("dns-resolv", port=8489, forwarders=None)
    resolv = daemon.folder / "resolv.conf"
    resolv.write_text("nameserver 10.80.0.99\n", encoding="ascii")
    script = f'mount --bind {resolv} /etc/resolv.conf && exec "$@"'
    daemon.prefix = ["unshare", "--mount", "sh", "-c", script, "sh"]
    daemon.start()
    try:
        assert daemon.query(names.pop()).text == "NOTFOUND "
        resolv.write_text(f"# changed\nnameserver {world.resolver}\n", "ascii")
        # A fresh name each time: a failed one is not asked for again so soon.
        wait_until(
            lambda: daemon.query(names.pop()).text == CACHED_ANSWER,
            len(names),
            "the new name server to be asked",
            interval=1,
        )
    finally:
        assert daemon.stop() == 0


def test_policy_survives_answers_that_differ(world, forwarder):
    """Good and bad answers in turn: what was fetched once stays."""
    domain = "in-turn.faults.test"
    world.policy(domain, CACHED_POLICY)
    world.dns.publish("faults.test")
    forwarder.script(
        f"_mta-sts.{domain}",
        "TXT",
        dnsfault.in_turn(
            dnsfault.records(f'"{GOOD}"'),
            dnsfault.rcode("SERVFAIL"),
            dnsfault.rcode("NXDOMAIN"),
            dnsfault.records('"v=STSv1; id=9;"', '"v=STSv1; id=8;"'),
        ),
    )
    daemon = world.daemon("dns-in-turn", port=8487, forwarders=[FORWARDER])
    daemon.start()
    try:
        for _ in range(20):
            assert daemon.query(domain).text == CACHED_ANSWER
    finally:
        assert daemon.stop() == 0
