"""The classes of failure, part two: policies, MX hosts, DANE, reports."""

from check_rows import row
from check_site import HOSTER, Mx

WEEK = 604800
GOOD_LINES = ("version: STSv1", "mode: enforce", f"mx: {HOSTER}", f"max_age: {WEEK}")


def policy(name, what, codes, *lines, verdict="broken", **rest):
    """A row about the text of the policy."""
    text = "".join(f"{line}\r\n" for line in lines)
    return row(name, what, codes, verdict, policy=text, **rest)


def changed(number, line):
    """The good lines with one of them replaced."""
    return [line if n == number else old for n, old in enumerate(GOOD_LINES)]


def not_allowed(name, what, codes, *patterns, verdict="mail-deferred", **rest):
    """A row about MX hosts that the policy does not allow."""
    return row(name, what, codes, verdict, patterns=patterns, **rest)


def smtp(name, what, codes, *, verdict="mail-deferred", exit=None, **mx):
    """A row about one MX host of the domain's own."""
    rest = {"exit": exit} if exit is not None else {}
    return row(name, what, codes, verdict, mx=(Mx(**mx),), **rest)


def one_of_two(name, what, codes, **mx):
    """The hoster's MX is sound, the other one is not."""
    return row(name, what, codes, "partly-protected", mx=(HOSTER, Mx(**mx)))


def dane(name, what, codes, verdict, *tlsa, zone="example", exit=None, **mx):
    """A row about one MX host with TLSA records."""
    rest = {"exit": exit} if exit is not None else {}
    hosts = (Mx(tlsa=tlsa, **mx),)
    return row(name, what, codes, verdict, zone=zone, mx=hosts, **rest)


def tlsrpt(name, what, codes, *texts, verdict="protected-with-warnings", **rest):
    """A row about TLS reporting."""
    return row(name, what, codes, verdict, tlsrpt=texts, **rest)


POLICY = [
    policy(
        "mode-missing",
        "no mode",
        "policy-mode-missing",
        *(line for line in GOOD_LINES if "mode" not in line),
    ),
    policy("mode-case", "mode: Enforce", "policy-mode", *changed(1, "mode: Enforce")),
    policy(
        "mx-dot",
        "a dot at the end",
        "policy-mx-final-dot",
        *changed(2, "mx: mx.hoster.test."),
    ),
    policy(
        "mx-list",
        "a list of hosts",
        "policy-mx-list",
        *changed(2, "mx: mx.hoster.test, mx2.hoster.test"),
    ),
    policy(
        "mx-missing",
        "no mx",
        "policy-mx-missing",
        *(line for line in GOOD_LINES if "mx" not in line),
    ),
    policy(
        "version-policy",
        "version: STSv2",
        "policy-version",
        *changed(0, "version: STSv2"),
    ),
    policy(
        "bom",
        "a byte order mark",
        "policy-bom",
        *changed(0, "\ufeffversion: STSv1"),
    ),
    policy("empty", "an empty file", "policy-empty"),
    policy(
        "html-page",
        "a page where the policy should be",
        "policy-no-colon policy-version-missing policy-mode-missing "
        "policy-max-age-missing",
        "<!DOCTYPE html>",
        "<html><body>It works!</body></html>",
    ),
    policy(
        "blank-line",
        "an empty line, which many senders forgive",
        "policy-blank-line",
        *GOOD_LINES[:3],
        "",
        GOOD_LINES[3],
        verdict="protected-with-warnings",
        exit=2,
    ),
    policy(
        "duplicate",
        "two modes",
        "policy-duplicate",
        *GOOD_LINES,
        "mode: testing",
        verdict="protected-with-warnings",
    ),
    policy(
        "extension",
        "a field that is not the RFC's",
        "policy-extension",
        *GOOD_LINES,
        "contact: a",
        verdict="protected",
    ),
    row(
        "max-age-short",
        "max_age of a day",
        "policy-max-age-short",
        "protected-with-warnings",
        max_age=86400,
    ),
    row(
        "max-age-long",
        "max_age of three years",
        "policy-max-age-capped",
        "protected-with-warnings",
        max_age=94608000,
    ),
    row(
        "max-age-zero",
        "max_age 0",
        "policy-max-age-zero",
        "broken",
        max_age=0,
    ),
    row("testing", "mode testing", "policy-testing", "testing", mode="testing"),
    row(
        "testing-fails",
        "mode testing, and mail would fail in enforce",
        "policy-testing smtp-certificate-expired",
        "testing",
        mode="testing",
        mx=(Mx(certificate="expired"),),
        exit=2,
    ),
    row("withdrawn", "mode none", "policy-mode-none", "withdrawn", mode="none"),
    row(
        "line-ends",
        "CR LF and LF mixed",
        "policy-line-ends",
        "protected",
        policy=f"version: STSv1\r\nmode: enforce\nmx: {HOSTER}\nmax_age: {WEEK}\r\n",
    ),
    row(
        "unused",
        "a pattern for nobody",
        "policy-mx-unused",
        "protected-with-warnings",
        patterns=(HOSTER, "old.$"),
    ),
]

MX = [
    not_allowed(
        "not-allowed",
        "a second MX that the policy forgot",
        "mx-not-allowed",
        "mx1.$",
        verdict="partly-protected",
        mx=(Mx("mx1.$"), Mx("backup.$")),
    ),
    not_allowed(
        "moved",
        "the policy names the provider before",
        "mx-not-allowed-moved",
        "mx1.oldprovider.test",
        "mx2.oldprovider.test",
    ),
    not_allowed(
        "extra-label",
        "the pattern begins with mta-sts.",
        "mx-not-allowed-extra-label",
        "mta-sts.mx.$",
        mx=(Mx(),),
    ),
    not_allowed("typo", "hostre for hoster", "mx-not-allowed-typo", "mx.hostre.test"),
    not_allowed(
        "wildcard",
        "two labels where the wildcard stands for one",
        "mx-not-allowed-wildcard",
        "*.$",
        mx=(Mx("mx.pool.$"),),
    ),
    not_allowed(
        "wildcard-base",
        "the wildcard does not stand for no label",
        "mx-not-allowed-wildcard",
        "*.mx.$",
        mx=(Mx(),),
    ),
    not_allowed(
        "other-domain",
        "a second MX elsewhere",
        "mx-not-allowed-other-domain",
        "mx.$",
        verdict="partly-protected",
        mx=(Mx(), HOSTER),
    ),
    row(
        "implicit",
        "no MX record: the domain's own address",
        "mx-implicit",
        "protected-with-warnings",
        mx=(),
        patterns=("$",),
    ),
    row(
        "null-mx",
        "takes no mail",
        "mx-null",
        "no-mail",
        mx=(),
        record=(),
        web=(),
        records={("@", "MX"): ("0 .",)},
    ),
    row(
        "mx-none",
        "neither MX nor address",
        "mx-none",
        "no-mail",
        mx=(),
        patterns=(HOSTER,),
        exit=2,
    ),
    row(
        "mx-address",
        "an address in the MX record",
        "mx-name",
        "mail-deferred",
        mx=("10.25.0.1",),
        patterns=(HOSTER,),
    ),
    row(
        "mx-cname",
        "the MX is an alias",
        "mx-cname",
        "protected-with-warnings",
        mx=(Mx(alias_of="server7.$"),),
    ),
    row(
        "mx-no-address",
        "one of two MX hosts has no address",
        "mx-no-address",
        "partly-protected",
        mx=(HOSTER, Mx(addresses=())),
    ),
    row(
        "mx-lost",
        "the only MX host has no address",
        "mx-no-address",
        "mail-deferred",
        mx=(Mx(addresses=()),),
    ),
    row(
        "mx-servfail",
        "the name servers fail for MX",
        "mx-dns-failure",
        "undetermined",
        lame={"@": "dns-no-mx"},
    ),
    row(
        "mx-bogus",
        "the signature over the MX records is wrong",
        "mx-dns-bogus",
        "undetermined",
        zone="example",
        bogus={"@": "MX"},
    ),
    row(
        "mx-address-servfail",
        "the name servers of one MX host fail",
        "mx-address-failure",
        "protected-with-warnings",
        exit=2,
        mx=(HOSTER, Mx(lame="dns-servfail")),
    ),
]

SMTP = [
    smtp("smtp-refused", "port 25 is closed", "smtp-refused", addresses=("refused",)),
    one_of_two("smtp-dropped", "dropped", "smtp-timeout", addresses=("dropped",)),
    smtp("smtp-mute", "no greeting", "smtp-timeout", script="mute"),
    smtp("smtp-slow", "a letter in half a second", "smtp-timeout", script="smtp-slow"),
    one_of_two(
        "smtp-unreachable", "no route", "smtp-unreachable", addresses=("unreachable",)
    ),
    smtp("smtp-closed", "hangs up behind EHLO", "smtp-closed", script="smtp-close"),
    # Perhaps it is only us who are turned away.
    smtp(
        "smtp-554",
        "554 at once",
        "smtp-greeting",
        verdict="undetermined",
        script="smtp-554",
    ),
    smtp(
        "smtp-421",
        "421 at once",
        "smtp-greeting",
        verdict="undetermined",
        script="smtp-421",
    ),
    smtp("smtp-ssh", "SSH listens on port 25", "smtp-syntax", script="smtp-ssh"),
    smtp("smtp-endless", "an endless banner", "smtp-syntax", script="smtp-endless"),
    smtp("smtp-no-ehlo", "EHLO is unknown", "smtp-ehlo", script="smtp-no-ehlo"),
    smtp(
        "no-starttls",
        "STARTTLS is not offered",
        "starttls-not-offered",
        script="smtp-no-starttls",
    ),
    smtp("starttls-454", "454 to STARTTLS", "starttls-refused", script="smtp-454"),
    smtp(
        "injection",
        "plaintext behind the reply to STARTTLS",
        "starttls-injection",
        script="smtp-injection",
    ),
    smtp("smtp-garbage", "220, then no TLS", "smtp-tls-failure", script="smtp-garbage"),
    smtp("smtp-old-tls", "TLS 1.1", "smtp-tls-version", script="smtp-old-tls"),
    smtp(
        "smtp-alert",
        "an alert whatever is asked for",
        "smtp-tls-alert",
        named="alert-always",
    ),
    smtp(
        "smtp-alert-sni",
        "an alert for any name, and none without a name",
        "smtp-sni",
        named="alert",
    ),
    smtp(
        "smtp-sni",
        "the right certificate without SNI only",
        "smtp-sni",
        named="other-name",
    ),
    smtp("smtp-expired", "expired", "smtp-certificate-expired", certificate="expired"),
    smtp(
        "smtp-not-yet",
        "not valid yet",
        "smtp-certificate-not-yet-valid",
        certificate="not-yet",
    ),
    smtp(
        "smtp-self-signed",
        "self-signed",
        "smtp-certificate-self-signed",
        certificate="self-signed",
    ),
    smtp(
        "smtp-unknown",
        "unknown authority",
        "smtp-certificate-issuer-unknown",
        certificate="unknown",
    ),
    smtp(
        "smtp-chain",
        "the intermediate certificate is missing",
        "smtp-certificate-chain-incomplete",
        certificate="chain",
    ),
    smtp(
        "smtp-name",
        "a certificate for other names",
        "smtp-certificate-name",
        certificate="other-name",
    ),
    smtp(
        "smtp-cn",
        "the name is in the CN only",
        "smtp-certificate-name",
        certificate="cn-only",
    ),
    smtp(
        "smtp-client",
        "a certificate for clients",
        "smtp-certificate-untrusted",
        certificate="client",
    ),
    smtp(
        "smtp-soon",
        "expires in five days",
        "smtp-certificate-expires-soon",
        verdict="protected-with-warnings",
        certificate="soon",
    ),
    smtp(
        "smtp-ehlo-name",
        "introduces itself as localhost",
        "smtp-ehlo-name",
        verdict="protected",
        ehlo="localhost",
    ),
    smtp(
        "smtp-v6-refused",
        "IPv4 is sound, IPv6 is closed",
        "smtp-refused",
        verdict="protected-with-warnings",
        exit=2,
        addresses=("v4", "refused-v6"),
    ),
    one_of_two(
        "smtp-one-of-two",
        "one of two MX hosts has expired",
        "smtp-certificate-expired",
        certificate="expired",
    ),
    row(
        "smtp-both",
        "both MX hosts fail, each in its own way",
        "smtp-certificate-name starttls-not-offered",
        "mail-deferred",
        mx=(
            Mx("mx1.$", certificate="other-name"),
            Mx("mx2.$", script="smtp-no-starttls"),
        ),
    ),
    row(
        "no-smtp",
        "the option --no-smtp",
        "",
        "protected",
        run="no-smtp",
        mx=(Mx(certificate="expired"),),
    ),
    row(
        "blocked",
        "port 25 is blocked on the way out",
        "smtp-not-checked",
        "protected",
        run="blocked",
    ),
    row(
        "no-ipv6",
        "no IPv6 here, and a host that has both",
        "smtp-no-ipv6",
        "protected",
        run="no-ipv6",
        mx=(Mx(addresses=("v4", "far-v6")),),
    ),
]

DANE = [
    dane(
        "dane-pair",
        "3 1 1 of this key and the next",
        "",
        "protected",
        "3 1 1 here",
        "3 1 1 next",
    ),
    dane("dane-single", "this key only", "dane-single", "protected", "3 1 1 here"),
    dane(
        "dane-mismatch",
        "the key was changed, the record was not",
        "dane-mismatch dane-sts-conflict",
        "mail-deferred",
        "3 1 1 next",
    ),
    dane(
        "dane-insecure",
        "TLSA without DNSSEC",
        "dane-insecure",
        "protected-with-warnings",
        "3 1 1 here",
        zone="test",
    ),
    dane(
        "dane-unusable",
        "usage 1 only",
        "dane-unusable",
        "protected-with-warnings",
        "1 1 1 here",
    ),
    row(
        "dane-partial",
        "one of two MX hosts",
        "dane-partial",
        "protected",
        zone="example",
        mx=(Mx("mx1.$", tlsa=("3 1 1 here", "3 1 1 next")), Mx("mx2.$")),
    ),
    row(
        "dane-servfail",
        "the signature over TLSA is wrong",
        "dane-dns-failure dane-sts-conflict",
        "mail-deferred",
        zone="example",
        mx=(Mx(tlsa=("3 1 1 here", "3 1 1 next")),),
        bogus={"_tcp.mx": "TLSA"},
    ),
    dane(
        "dane-conflict",
        "self-signed: DANE accepts it, MTA-STS does not",
        "smtp-certificate-self-signed dane-sts-conflict",
        "mail-deferred",
        "3 1 1 here",
        "3 1 1 next",
        certificate="self-signed",
    ),
    row(
        "dane-mx-insecure",
        "the MX host is signed, the domain is not",
        "dane-mx-insecure",
        "protected",
        mx=("mx1.good.example",),
    ),
    row(
        "dane-unchecked",
        "the resolver passes no signatures on",
        "dane-unchecked",
        "protected",
        zone="example",
        run="no-dnssec",
        mx=("mx1.good.example",),
    ),
    row(
        "dane-only",
        "DANE without MTA-STS",
        "sts-none",
        "not-deployed",
        zone="example",
        record=(),
        web=(),
        mx=("mx1.good.example",),
    ),
]

REPORTS = [
    tlsrpt("tlsrpt-none", "no record", "tlsrpt-none"),
    tlsrpt(
        "tlsrpt-twice",
        "two records",
        "tlsrpt-several",
        "v=TLSRPTv1; rua=mailto:a@hoster.test",
        "v=TLSRPTv1; rua=mailto:b@hoster.test",
        exit=2,
    ),
    tlsrpt("tlsrpt-no-rua", "no rua", "tlsrpt-rua-missing", "v=TLSRPTv1;", exit=2),
    tlsrpt(
        "tlsrpt-scheme",
        "rua=ftp:",
        "tlsrpt-rua-scheme tlsrpt-rua-unusable",
        "v=TLSRPTv1; rua=ftp://reports.hoster.test/in",
        exit=2,
    ),
    tlsrpt(
        "tlsrpt-no-scheme",
        "an address without mailto:",
        "tlsrpt-rua-no-scheme tlsrpt-rua-unusable",
        "v=TLSRPTv1; rua=tls@hoster.test",
        exit=2,
    ),
    tlsrpt(
        "tlsrpt-version",
        "v=TLSRPT1",
        "tlsrpt-version",
        "v=TLSRPT1; rua=mailto:a@hoster.test",
        exit=2,
    ),
    tlsrpt(
        "tlsrpt-mailto-dead",
        "the address is at a domain without mail",
        "tlsrpt-mailto-dead",
        "v=TLSRPTv1; rua=mailto:tls@null-mx.test",
    ),
    tlsrpt(
        "tlsrpt-https-dead",
        "the https host's certificate has expired",
        "tlsrpt-https-dead",
        "v=TLSRPTv1; rua=https://mta-sts.host-expired.test/v1",
    ),
    tlsrpt(
        "tlsrpt-https",
        "reports by HTTPS",
        "",
        "v=TLSRPTv1; rua=https://reports.hoster.test/v1",
        verdict="protected",
    ),
    tlsrpt(
        "tlsrpt-at-domain",
        "the record stands at the domain",
        "tlsrpt-wrong-place",
        records={("@", "TXT"): ("v=TLSRPTv1; rua=mailto:a@hoster.test",)},
    ),
    row(
        "tlsrpt-servfail",
        "its name servers fail",
        "tlsrpt-dns-failure",
        "protected-with-warnings",
        lame={"_smtp._tls": "dns-servfail"},
    ),
    tlsrpt(
        "tlsrpt-unchecked",
        "the name servers of the address fail",
        "tlsrpt-unchecked",
        "v=TLSRPTv1; rua=mailto:tls@domain-servfail.test",
        verdict="protected",
    ),
]

BESIDE = [
    row("spf-none", "no SPF", "spf-none", "protected", spf=()),
    row(
        "spf-twice",
        "two SPF records",
        "spf-several",
        "protected-with-warnings",
        spf=("v=spf1 mx -all", "v=spf1 a -all"),
    ),
    row(
        "spf-syntax",
        "a term that is none",
        "spf-syntax",
        "protected-with-warnings",
        spf=("v=spf1 ipv4:10.0.0.1 -all",),
    ),
    row("dmarc-none", "no DMARC", "dmarc-none", "protected", dmarc=()),
    row(
        "dmarc-twice",
        "two DMARC records",
        "dmarc-several",
        "protected-with-warnings",
        dmarc=("v=DMARC1; p=none", "v=DMARC1; p=reject"),
    ),
    row(
        "dmarc-syntax",
        "a colon for an equals sign",
        "dmarc-syntax",
        "protected-with-warnings",
        dmarc=("v=DMARC1; p=none; rua:mailto:a@hoster.test",),
    ),
    row(
        "dmarc-policy",
        "no p",
        "dmarc-policy",
        "protected-with-warnings",
        dmarc=("v=DMARC1; rua=mailto:a@hoster.test",),
    ),
]

ROWS = [*POLICY, *MX, *SMTP, *DANE, *REPORTS, *BESIDE]
