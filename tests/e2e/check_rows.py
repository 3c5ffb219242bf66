"""The classes of failure that `strictmx check` tells apart, part one.

One Row for each domain of the test world: what is wrong with it, and what has
to be said about it.  This part: sound domains, records, policy hosts.
check_rows_mail.py has policies, MX hosts, DANE, reports and the rest.
"""

import dataclasses

from check_parts import HOSTILE
from check_site import HOSTER, ID, Mx

# The exit status of a verdict, unless a row says otherwise.
EXIT_OF = {
    "protected": 0,
    "protected-with-warnings": 1,
    "testing": 0,
    "withdrawn": 0,
    "no-mail": 0,
    "not-deployed": 1,
    "broken": 2,
    "partly-protected": 2,
    "mail-deferred": 3,
    "undetermined": 4,
}


@dataclasses.dataclass(frozen=True)
class Row:
    """One domain of the world."""

    name: str
    # What is wrong, for people.
    what: str
    # Every warning and error that is found, and the infos that matter.
    codes: frozenset
    verdict: str
    exit: int
    # Where it is: example. is signed, test. is not.
    zone: str = "test"
    # The run it belongs to: see checkworld.RUNS.
    run: str = "main"
    site: dict = dataclasses.field(default_factory=dict)

    @property
    def domain(self):
        """The domain that is checked."""
        return f"{self.name}.{self.zone}"


def row(name, what, codes, verdict, **rest):
    """A Row; codes are words, and what Row has no field for is the site's."""
    fields = {
        key: rest.pop(key) for key in ("zone", "run", "exit") if key in rest
    }
    fields.setdefault("exit", EXIT_OF[verdict])
    return Row(name, what, frozenset(codes.split()), verdict, site=rest, **fields)


def records(name, what, codes, *texts, verdict="broken", **rest):
    """A row about what stands at _mta-sts."""
    return row(name, what, codes, verdict, record=texts, **rest)


def host(name, what, codes, *, verdict="broken", **rest):
    """A row about the policy host."""
    return row(name, what, codes, verdict, **rest)


def certificate(name, what, codes, kind, **rest):
    """A row about the policy host's certificate."""
    return host(name, what, codes, web_certificate=kind, **rest)


SOUND = [
    row(
        "good",
        "two MX hosts, IPv4 and IPv6, DANE before a rollover, all reports",
        "",
        "protected",
        zone="example",
        mx=("mx1.good.example", "mx2.good.example"),
        web=("nginx", "nginx-v6"),
        tlsrpt=(
            "v=TLSRPTv1; rua=mailto:tlsrpt@good.example,"
            "https://reports.hoster.test/v1",
        ),
    ),
    row("good-plain", "one MX host elsewhere, no DANE", "", "protected"),
    row(
        "good-wildcard",
        "the policy has a wildcard",
        "",
        "protected",
        patterns=("*.hoster.test",),
    ),
    row(
        "good-own-mx",
        "an MX host of its own with a whole chain",
        "",
        "protected",
        mx=(Mx(certificate="full-chain", addresses=("v4", "v6")),),
        web_certificate="full-chain",
    ),
    row(
        "good-delegated",
        "record and policy host are CNAMEs to a provider",
        "txt-cname host-cname",
        "protected",
        record_alias="_mta-sts.provider.test",
        web_alias="mta-sts.provider.test",
    ),
    row(
        "good-host-v6",
        "the policy host has an IPv6 address only",
        "",
        "protected",
        web=("nginx-v6",),
    ),
]

RECORD = [
    row(
        "no-sts",
        "no sign of MTA-STS",
        "sts-none",
        "not-deployed",
        record=(),
        web=(),
    ),
    records("record-missing", "a policy, but no record", "txt-none"),
    records(
        "record-twice",
        "two records",
        "txt-several",
        "v=STSv1; id=20260101T000000;",
        "v=STSv1; id=20250101T000000;",
    ),
    records("id-hyphen", "hyphens in the id", "txt-id-char", "v=STSv1; id=2026-01-01;"),
    records(
        "id-quote",
        "typographic quotes around the id",
        "txt-id-char",
        "v=STSv1; id=\u201c20260101\u201d;",
    ),
    records("id-missing", "no id", "txt-id-missing", "v=STSv1;"),
    records("id-empty", "an empty id", "txt-id-empty", "v=STSv1; id=;"),
    records(
        "id-long",
        "an id of 34 characters",
        "txt-id-long",
        "v=STSv1; id=2026010100000020260101000000202601;",
    ),
    records("version-two", "v=STSv2", "txt-version", f"v=STSv2; id={ID};"),
    records("version-case", "v=stsv1", "txt-version", f"v=stsv1; id={ID};"),
    records(
        "version-semicolon",
        "no semicolon behind the version",
        "txt-version",
        f"v=STSv1 id={ID};",
    ),
    records("version-late", "id before v", "txt-version-late", f"id={ID}; v=STSv1;"),
    records(
        "policy-pasted",
        "the policy's text in the record",
        "txt-is-policy",
        "version: STSv1 mode: enforce mx: mx.hoster.test max_age: 604800",
    ),
    records(
        "record-at-domain",
        "the record stands at the domain itself",
        "txt-wrong-place",
        records={("@", "TXT"): (f"v=STSv1; id={ID};",)},
    ),
    records(
        "record-at-host",
        "the record stands at mta-sts, without the underscore",
        "txt-wrong-place",
        records={("mta-sts", "TXT"): (f"v=STSv1; id={ID};",)},
    ),
    row(
        "record-dangling",
        "the record's CNAME leads nowhere",
        "txt-cname-dangling",
        "broken",
        record_alias="_mta-sts.gone.test",
    ),
    records("end-blank", "a blank at the end", "txt-end-blank", f"v=STSv1; id={ID} "),
    records("field-empty", "two semicolons", "txt-field-empty", f"v=STSv1;; id={ID};"),
    records(
        "equals-blank",
        "a blank before the equals sign",
        "txt-equals-blank txt-id-missing",
        f"v=STSv1; id ={ID};",
    ),
    records(
        "field-no-value",
        "a word that is no field",
        "txt-field-no-value",
        f"v=STSv1; id={ID}; enforce;",
    ),
    records(
        "field-value",
        "an equals sign in a value",
        "txt-field-value-char",
        f"v=STSv1; id={ID}; note=a=b;",
    ),
    records(
        "id-twice",
        "a second id",
        "txt-duplicate",
        f"v=STSv1; id={ID}; id=20250101;",
        verdict="protected-with-warnings",
    ),
    records(
        "record-foreign",
        "another TXT record beside it",
        "txt-foreign",
        f"v=STSv1; id={ID};",
        "google-site-verification=2Zq3",
        verdict="protected",
    ),
    row(
        "record-servfail",
        "the name servers of _mta-sts fail",
        "dns-failure",
        "undetermined",
        lame={"_mta-sts": "dns-servfail"},
    ),
    row(
        "record-silent",
        "the name servers of _mta-sts are silent",
        "dns-timeout",
        "undetermined",
        lame={"_mta-sts": "dns-silent"},
    ),
    row(
        "record-bogus",
        "the record's signature is wrong",
        "dns-bogus",
        "undetermined",
        zone="example",
        bogus={"_mta-sts": "TXT"},
    ),
    row(
        "domain-servfail",
        "all name servers of the domain fail",
        "dns-failure mx-dns-failure",
        "undetermined",
        lame={"@": "dns-servfail"},
    ),
    row(
        "domain-bogus",
        "all signatures of the domain have expired",
        "dns-bogus mx-dns-bogus",
        "undetermined",
        zone="example",
        bogus={"@": "expired"},
    ),
    row(
        "nowhere",
        "the domain does not exist",
        "domain-none",
        "no-mail",
        exit=2,
        record=(),
        web=(),
        mx=(),
        tlsrpt=(),
        spf=(),
        dmarc=(),
    ),
    records(
        "hostile",
        "control characters wherever there is room",
        "txt-foreign certificate-issuer-unknown certificate-name "
        "smtp-certificate-issuer-unknown smtp-certificate-name spf-syntax",
        f"v=STSv1; id={ID};",
        f"x{HOSTILE}",
        web_certificate="hostile",
        mx=(Mx(certificate="hostile", banner=f"mx {HOSTILE}", ehlo=f"mx{HOSTILE}"),),
        spf=(f"v=spf1 {HOSTILE} -all",),
    ),
    row(
        "hostile-policy",
        "control characters in the policy",
        "policy-control policy-mode-missing",
        "broken",
        policy=f"version: STSv1\r\nmode: {HOSTILE}\r\nmx: x\r\nmax_age: 9\r\n",
    ),
    row(
        "hostile-mx",
        "control characters in the MX record",
        "mx-name",
        "partly-protected",
        mx=(HOSTER, r"\027[2J\027]0\;owned\007.hoster.test"),
        patterns=(HOSTER,),
    ),
]

HOST = [
    host("host-no-address", "no address", "host-no-address", web=()),
    host(
        "host-dangling",
        "the CNAME leads nowhere",
        "host-cname-dangling",
        web_alias="mta-sts.gone.test",
    ),
    host(
        "host-servfail",
        "its name servers fail",
        "host-dns-failure",
        lame={"mta-sts": "dns-servfail"},
    ),
    host("host-refused", "port 443 is closed", "host-refused", web=("refused",)),
    host("host-dropped", "a firewall drops all", "host-timeout", web=("dropped",)),
    host("host-mute", "connected, but no TLS", "host-timeout", web=("mute",)),
    host("host-silent", "TLS, but no answer", "host-slow", web=("https-mute",)),
    host(
        "host-unreachable",
        "no route",
        "host-unreachable",
        web=("unreachable",),
    ),
    host("host-reset", "reset in the handshake", "tls-failure", web=("reset",)),
    host("host-closed", "reset behind TLS", "host-closed", web=("https-reset",)),
    host(
        "host-alert",
        "nginx rejects the handshake: no certificate for the name",
        "tls-alert",
        web=("refuses-names",),
    ),
    host("host-old-tls", "TLS 1.1 at the most", "tls-version", web=("old-tls",)),
    host("host-plain", "HTTP without TLS on 443", "tls-failure", web=("https-plain",)),
    certificate("host-expired", "expired", "certificate-expired", "expired"),
    certificate(
        "host-not-yet", "not valid yet", "certificate-not-yet-valid", "not-yet"
    ),
    certificate(
        "host-self-signed", "self-signed", "certificate-self-signed", "self-signed"
    ),
    certificate(
        "host-unknown", "unknown authority", "certificate-issuer-unknown", "unknown"
    ),
    certificate(
        "host-chain",
        "the intermediate certificate is missing",
        "certificate-chain-incomplete",
        "chain",
    ),
    certificate(
        "host-name", "the hosting's own certificate", "certificate-name", "other-name"
    ),
    certificate("host-cn", "the name is in the CN only", "certificate-name", "cn-only"),
    certificate(
        "host-client",
        "a certificate for clients",
        "certificate-untrusted",
        "client",
    ),
    certificate(
        "host-two-faults",
        "expired, and for other names",
        "certificate-expired certificate-name",
        "expired-other-name",
    ),
    certificate(
        "host-soon",
        "expires in five days",
        "certificate-expires-soon",
        "soon",
        verdict="protected-with-warnings",
    ),
    host("host-404", "404", "http-not-found", web_answer="404"),
    host("host-500", "500", "http-status", web_answer="500"),
    host("host-redirect", "301 elsewhere", "http-redirect", web_answer="redirect"),
    host("host-html", "text/html", "http-type", web_answer="html"),
    host("host-gzip", "a content encoding", "http-encoding", web_answer="gzip"),
    host("host-imap", "no HTTP behind TLS", "http-syntax", web=("https-no-http",)),
    host("host-drip", "a byte in half a second", "host-slow", web=("https-drip",)),
    host(
        "host-endless",
        "headers without end",
        "http-syntax",
        web=("https-endless",),
    ),
    host(
        "host-large",
        "a policy of 70,000 octets",
        "policy-too-large",
        extra=tuple(f"x{n}: {'y' * 90}" for n in range(720)),
    ),
    host(
        "host-one-refused",
        "one of two addresses is closed",
        "host-refused",
        web=("nginx", "refused"),
        verdict="protected-with-warnings",
        exit=2,
    ),
    host(
        "host-one-expired",
        "one of two addresses has an old certificate",
        "certificate-expired",
        web=("nginx", "second"),
        second_certificate="expired",
        verdict="protected-with-warnings",
        exit=2,
    ),
    host(
        "host-differs",
        "two addresses, two policies",
        "policy-differs",
        web=("nginx", "second"),
        second_policy="version: STSv1\nmode: enforce\nmx: mx.hoster.test\n"
        "max_age: 1209600\n",
        verdict="protected-with-warnings",
        exit=2,
    ),
    host(
        "host-private",
        "no public address",
        "host-private mx-private",
        verdict="mail-deferred",
        run="private",
    ),
]

ROWS = [*SOUND, *RECORD, *HOST]
