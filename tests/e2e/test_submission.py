"""Reports submitted as mail: to the local MTA and to smarthosts of all kinds."""

import os
import ssl
import time

import pytest

import httpsfault as faulty
from authority import self_signed
from handover import Handover, ReportHost, Slowly
from mailhost import MailHost
from netns import wait_until

NONE, OPPORTUNISTIC, STARTTLS, IMPLICIT = range(4)
TIMEOUT_MS = 1500
HOST = "smarthost.test"
MESSAGE = b"Subject: Report\r\nTLS-Required: No\r\n\r\nHello.\r\n"
STAGES = ["greeting", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "dot"]
# As they are called in a detail.
NAMES = {"greeting": "the greeting", "dot": "the final dot"}


@pytest.fixture(scope="module")
def handover():
    """The namespace."""
    with Handover("m") as made:
        yield made


@pytest.fixture(scope="module")
def smarthost(handover):
    """The address of a smarthost, at which there is none yet."""
    address = handover.address()
    handover.name(HOST, address)
    return address


@pytest.fixture(scope="module")
def good(handover):
    """Its certificate."""
    return handover.authority.issue(HOST)


def settings(handover, **changes):
    """By default: the local MTA, without TLS."""
    made = {"ehlo_name": "sender.test", "timeout_ms": 20000, **changes}
    if made.get("tls", NONE) in (STARTTLS, IMPLICIT):
        made = {"host": HOST, "ca_file": str(handover.authority.root), **made}
    return made


def send(handover, data=MESSAGE, mail=None, **changes):
    """Hand over one message."""
    job = {**handover.mail(data), **(mail or {})}
    (got,) = handover.run(job, mail=settings(handover, **changes))
    return got


def password_file(handover, text="secret"):
    """A file with a password in it."""
    return handover.file(f"{text}\n".encode())


def test_local_mta(handover):
    """The default: 127.0.0.1, port 25, no TLS, no AUTH."""
    with MailHost(handover.namespace, "127.0.0.1") as host:
        got = send(handover)
    assert got["status"] == "accepted"
    assert got["detail"] == "the final dot: 250 2.0.0 queued as 4711"
    (message,) = host.messages
    assert message.data == MESSAGE
    assert message.commands == [
        "EHLO sender.test",
        f"MAIL FROM:<reports@sender.test> SIZE={len(MESSAGE)}",
        "RCPT TO:<rua@domain.test>",
        "DATA",
    ]
    assert not host.surprises


def test_null_sender(handover):
    """An empty address is <> (RFC 5321, 4.5.5)."""
    with MailHost(handover.namespace, "127.0.0.1") as host:
        assert send(handover, mail={"from": ""})["status"] == "accepted"
    assert host.messages[0].sender.startswith("MAIL FROM:<>")


@pytest.mark.parametrize(
    "name", ["localhost", "::1", "127.0.0.2", "[192.0.2.1]"], ids=str
)
def test_names_of_this_machine(handover, name):
    """All its addresses, and an EHLO name that is an address."""
    address = {"localhost": "127.0.0.1", "[192.0.2.1]": "127.0.0.1"}.get(name, name)
    changes = {"host": name}
    if name.startswith("["):
        changes = {"ehlo_name": name}
    if ":" in address:
        got = send(handover, **changes)
        assert got["status"] == "later"
        assert got["detail"].startswith("no connection: Connection refused"), got
        return
    with MailHost(handover.namespace, address) as host:
        got = send(handover, **changes)
    assert got["status"] == "accepted", got
    assert host.messages[0].commands[0] == f"EHLO {changes.get('ehlo_name', 'sender.test')}"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b".\r\n",
        b".\r\n.\r\n..\r\n",
        b"..\r\n",
        b"Subject: x\r\n\r\n.\r\n.leading\r\n..two\r\n...\r\nend.\r\n",
        b"Subject: x\r\n\r\nlast line is a dot\r\n.\r\n",
        b"\r\n\r\n\r\n",
        b"x" * 997 + b"\r\n",
    ],
    ids=lambda data: repr(data[-30:]),
)
def test_dots(handover, data):
    """What looks like the end of the message is not (RFC 5321, 4.5.2)."""
    with MailHost(handover.namespace, "127.0.0.1") as host:
        got = send(handover, data)
    assert got["status"] == "accepted", got
    # Without any line there is nothing to end: curl adds the line's end.
    assert host.messages[0].data == data or (not data and host.messages[0].data in (b"", b"\r\n"))
    assert not host.surprises


@pytest.mark.parametrize("tls", [NONE, STARTTLS, IMPLICIT])
def test_large_message(handover, smarthost, good, tls):
    """Dots at all places that blocks of octets may begin at."""
    lines = [os.urandom(1 + n % 70).hex().encode() for n in range(2600)]
    data = b"".join(b"." * (n % 4) + line + b"\r\n" for n, line in enumerate(lines))
    assert len(data) > 150000
    address = "127.0.0.1" if tls == NONE else smarthost
    port = {NONE: 25, STARTTLS: 587, IMPLICIT: 465}[tls]
    with MailHost(
        handover.namespace,
        address,
        port=port,
        certificate=None if tls == NONE else good,
        implicit=tls == IMPLICIT,
    ) as host:
        got = send(handover, data, tls=tls)
    assert got["status"] == "accepted", got
    assert host.messages[0].data == data
    assert host.messages[0].tls == (tls != NONE)


def whole_host(handover, smarthost, good, **kwargs):
    """A smarthost where all commands are met: STARTTLS and AUTH too."""
    return MailHost(
        handover.namespace,
        smarthost,
        port=587,
        certificate=good,
        password="secret",
        **kwargs,
    )


def send_whole(handover, **changes):
    """Hand over to that one."""
    return send(
        handover,
        tls=STARTTLS,
        user="us",
        password_file=password_file(handover),
        **changes,
    )


def test_smarthost(handover, smarthost, good):
    """Verified TLS, AUTH, then the message."""
    with whole_host(handover, smarthost, good) as host:
        got = send_whole(handover)
    assert got["status"] == "accepted", got
    (message,) = host.messages
    assert message.tls and message.user == "us" and message.data == MESSAGE
    assert message.commands[:3] == [
        "EHLO sender.test",
        "STARTTLS",
        "EHLO sender.test",
    ]


@pytest.mark.parametrize("code", ["451 4.3.0", "421 4.3.2", "550 5.7.1"])
@pytest.mark.parametrize("stage", STAGES)
def test_refused_at(handover, smarthost, good, stage, code):
    """4xx: later. 5xx is a word about the message from MAIL on only."""
    reply = f"{code} Not \x1b[31mtoday\\\xff\r\n".encode("latin-1")
    replies = {stage: reply}
    if stage == "EHLO":
        replies["HELO"] = reply
    with whole_host(handover, smarthost, good, replies=replies) as host:
        got = send_whole(handover)
    is_final = code.startswith("5") and STAGES.index(stage) >= STAGES.index("MAIL")
    assert got["status"] == ("refused" if is_final else "later"), got
    name = NAMES.get(stage, stage)
    assert got["detail"] == rf"{name}: {code} Not \x1b[31mtoday\x5c\xff", got
    assert not host.surprises


def test_reply_of_several_lines(handover):
    """All of them are told."""
    replies = {"RCPT": b"550-5.1.1 No such user\r\n550 5.1.1 here\r\n"}
    with MailHost(handover.namespace, "127.0.0.1", replies=replies) as host:
        got = send(handover)
    assert got["detail"] == "RCPT: 550-5.1.1 No such user / 550 5.1.1 here"
    assert host.goodbyes == 1


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("how", ["mute", "closed", "reset"])
def test_no_reply_at(handover, smarthost, good, stage, how):
    """Whatever ends the session before the reply: later."""
    act = {
        "mute": faulty.hold,
        "closed": lambda connection: connection.shutdown(2),
        "reset": faulty.reset,
    }[how]
    changes = {"timeout_ms": TIMEOUT_MS} if how == "mute" else {}
    with whole_host(handover, smarthost, good, acts={stage: act}) as host:
        got = send_whole(handover, **changes)
    assert got["status"] == "later", got
    name = NAMES.get(stage, stage)
    if how == "mute":
        assert got["detail"] == f"time-out after 1.5 s at {name}", got
        assert got["ms"] >= TIMEOUT_MS, got
    else:
        # A reset right behind the handshake may be seen in place of it.
        names = (name, "the connection") if name == "the greeting" else (name,)
        assert got["detail"].endswith(tuple(f", at {name}" for name in names)), got
    assert got["ms"] < 10000, got
    assert len(host.messages) == (stage == "dot")


@pytest.mark.parametrize("act", [faulty.hold, lambda c: c.shutdown(2)])
@pytest.mark.parametrize(
    "replies",
    [{}, {"MAIL": b"550 no\r\n"}, {"DATA": b"550 no\r\n"}, {"dot": b"550 no\r\n"}],
    ids=str,
)
def test_no_reply_to_quit(handover, replies, act):
    """Once all is said, nobody waits for the farewell; QUIT is sent."""
    with MailHost(
        handover.namespace, "127.0.0.1", replies=replies, acts={"QUIT": act}
    ) as host:
        got = send(handover)
        assert got["status"] == ("refused" if replies else "accepted"), got
        assert got["ms"] < 10000, got
        end = time.monotonic() + 5
        while host.goodbyes == 0 and time.monotonic() < end:
            time.sleep(0.01)
        assert host.goodbyes == 1


def test_accepted_then_closed(handover):
    """250 after the final dot: it is theirs, whatever comes next."""

    def accept_and_close(connection):
        connection.sendall(b"250 2.0.0 mine\r\n")
        connection.shutdown(2)

    with MailHost(
        handover.namespace, "127.0.0.1", acts={"dot": accept_and_close}
    ):
        got = send(handover)
    assert (got["status"], got["detail"]) == ("accepted", "the final dot: 250 2.0.0 mine")


def test_refused_ehlo_then_helo(handover):
    """An old server."""
    replies = {"EHLO": b"502 unknown\r\n"}
    with MailHost(handover.namespace, "127.0.0.1", replies=replies):
        assert send(handover)["status"] == "accepted"


@pytest.mark.parametrize(
    "reply",
    [
        b"250-more\r\n" * 20000,
        b"250-" + b"x" * 200000,
        b"noise\r\n" * 3,
        b"\0\0\0\r\n",
        b"\r\n" * 50000,
    ],
    ids=lambda reply: repr(reply[:12]),
)
def test_nonsense_as_reply(handover, reply):
    """It ends, and says where."""
    acts = {"MAIL": lambda c: (c.sendall(reply), faulty.hold(c))}
    with MailHost(handover.namespace, "127.0.0.1", acts=acts):
        got = send(handover, timeout_ms=TIMEOUT_MS)
    assert got["status"] == "later" and "MAIL" in got["detail"], got
    assert got["ms"] < 10000


def test_nobody_there(handover, smarthost):
    """No connection, no name, no address: later."""
    got = send(handover)
    assert got["status"] == "later"
    assert got["detail"] == "no connection: Connection refused, at the connection"
    got = send(handover, tls=STARTTLS, host="nothing.test")
    assert (got["status"], got["detail"]) == ("later", "no address")


def test_name_that_is_not_this_machine(handover, smarthost):
    """Without TLS nothing goes over the network, whatever the DNS says."""
    with MailHost(handover.namespace, smarthost) as host:
        got = send(handover, host=HOST)
    assert got["status"] == "later" and "only to this machine" in got["detail"]
    assert host.connections == 0


CERTIFICATES = {
    "expired": lambda h: h.authority.issue(HOST, clock="-60d"),
    "wrong-name": lambda h: h.authority.issue("other.test"),
    "cn-only": lambda h: h.authority.issue(HOST, alt=""),
    "self-signed": lambda h: self_signed(h.namespace.folder, HOST),
    "unknown-authority": lambda h: h.nobodys_authority.issue(HOST),
}


@pytest.mark.parametrize("tls", [OPPORTUNISTIC, STARTTLS, IMPLICIT])
@pytest.mark.parametrize("name", CERTIFICATES)
def test_certificates(handover, smarthost, name, tls):
    """Verified where TLS is required: neither password nor mail is sent."""
    port = {OPPORTUNISTIC: 25, STARTTLS: 587, IMPLICIT: 465}[tls]
    changes = {"host": HOST, "tls": tls}
    if tls != OPPORTUNISTIC:
        changes |= {"user": "us", "password_file": password_file(handover)}
    with MailHost(
        handover.namespace,
        smarthost,
        port=port,
        certificate=CERTIFICATES[name](handover),
        implicit=tls == IMPLICIT,
    ) as host:
        got = send(handover, **changes)
    if tls == OPPORTUNISTIC:
        assert got["status"] == "accepted" and host.messages[0].tls, got
    else:
        assert got["status"] == "later", got
        assert got["detail"].startswith("certificate not accepted: "), got
        assert not host.messages and not host.surprises


@pytest.mark.parametrize("tls", [STARTTLS, IMPLICIT])
def test_old_tls(handover, smarthost, good, tls):
    """Nothing below TLS 1.2."""
    with MailHost(
        handover.namespace,
        smarthost,
        port=587 if tls == STARTTLS else 465,
        certificate=good,
        implicit=tls == IMPLICIT,
        limits=(ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_1),
    ):
        got = send(handover, tls=tls)
    assert got["status"] == "later", got
    assert got["detail"].startswith("no TLS: "), got
    assert got["detail"].endswith("at the TLS handshake"), got


def test_starttls_missing(handover, smarthost):
    """Required is required; opportunistic is not."""
    with MailHost(handover.namespace, smarthost, port=587) as host:
        got = send(handover, tls=STARTTLS)
        assert got["status"] == "later" and not host.messages
        assert got["detail"] == "STARTTLS is required, and not offered"
        got = send(handover, tls=OPPORTUNISTIC, host=HOST, port=587)
        assert got["status"] == "accepted" and not host.messages[0].tls
        got = send(handover, tls=OPPORTUNISTIC, host=smarthost, port=587)
        assert got["status"] == "accepted"


def test_injected_after_starttls(handover, smarthost, good):
    """What comes in plain text behind the 220 is not taken for a reply."""
    replies = {"STARTTLS": b"220 go\r\n250 injected\r\n"}
    with whole_host(handover, smarthost, good, replies=replies) as host:
        got = send_whole(handover)
    assert got["status"] == "later" and not host.messages, got


def test_auth(handover, smarthost, good):
    """A wrong password is ours to mend: later."""
    with whole_host(handover, smarthost, good):
        got = send(
            handover,
            tls=STARTTLS,
            user="us",
            password_file=password_file(handover, "wrong"),
        )
    assert (got["status"], got["detail"]) == ("later", "AUTH: 535 5.7.8 Wrong password")
    with whole_host(handover, smarthost, good, offers_auth=False):
        got = send_whole(handover)
    assert got["status"] == "later", got
    assert got["detail"] == (
        "AUTH is not offered; MAIL: 530 5.7.0 Authentication required"
    )
    # Who needs no password is content without.
    with MailHost(handover.namespace, smarthost, port=587, certificate=good):
        assert send_whole(handover)["status"] == "accepted"


@pytest.mark.parametrize(
    "address",
    [
        "a@b.test\r\nRSET",
        "a@b.test\nRSET",
        "a@b.test\r",
        "a\0b@b.test",
        "a b@b.test",
        "a\t@b.test",
        "a@b.test>",
        "<a@b.test",
        "a@b.test> NOTIFY=NEVER",
        "\x7f@b.test",
        "\xe4@b.test",
        "a" * 250 + "@b.test",
    ],
    ids=ascii,
)
@pytest.mark.parametrize("side", ["from", "to"])
def test_addresses(handover, address, side):
    """No address can say more than an address."""
    with MailHost(handover.namespace, "127.0.0.1") as host:
        got = send(handover, mail={side: address})
    assert got["status"] == "refused", got
    assert got["detail"] == "an address that can't stand in an envelope"
    assert host.connections == 0


def test_no_recipient(handover):
    """An empty one is none."""
    assert send(handover, mail={"to": ""})["status"] == "refused"


def test_unusual_addresses(handover):
    """Nothing is globbed, encoded or cut."""
    with MailHost(handover.namespace, "127.0.0.1") as host:
        got = send(handover, mail={"to": "[1-3]{a,b}%41+x*?@b.test"})
    assert got["status"] == "accepted"
    assert host.messages[0].recipient == "RCPT TO:<[1-3]{a,b}%41+x*?@b.test>"


def test_one_after_the_other(handover):
    """No more sessions at a time than are wanted; all get through."""
    slowness = Slowly(0.2, lambda connection: True)
    with MailHost(
        handover.namespace, "127.0.0.1", acts={"dot": slowness}
    ) as host:
        jobs = [handover.mail(b"%d\r\n" % n) for n in range(12)]
        got = handover.run(*jobs, mail=settings(handover, session_max=3))
    assert {answer["status"] for answer in got} == {"accepted"}
    assert slowness.peak == 3
    assert {m.data for m in host.messages} == {b"%d\r\n" % n for n in range(12)}


def test_a_thinking_server_holds_up_nobody(handover):
    """While it makes up its mind, reports are posted: it takes the mails when
    it knows of the last one."""
    address = handover.address()
    handover.name("reports.test", address)
    web = ReportHost(
        handover.namespace,
        address,
        handover.authority.issue("reports.test"),
        faulty.send(faulty.response()),
    )
    web.start()

    def think(connection):
        wait_until(lambda: len(web.requests) == 20, 10, "all the posts")
        connection.sendall(b"250 2.0.0 mine\r\n")

    with MailHost(handover.namespace, "127.0.0.1", acts={"dot": think}):
        jobs = [handover.mail(MESSAGE), handover.mail(MESSAGE)]
        jobs += [handover.post("reports.test") for _ in range(20)]
        got = handover.run(
            *jobs,
            mail=settings(handover, timeout_ms=60000),
            post=handover.post_settings(),
        )
    web.stop()
    assert {answer["status"] for answer in got} == {"accepted"}, got


@pytest.mark.parametrize("stage", ["greeting", "MAIL", "dot"])
def test_end_in_the_middle(handover, stage):
    """It can be taken down with anything under way, and soon."""
    with MailHost(handover.namespace, "127.0.0.1", acts={stage: faulty.hold}):
        begun = time.monotonic()
        got = handover.run(
            *(handover.mail(MESSAGE) for _ in range(12)),
            mail=settings(handover, timeout_ms=60000),
            stop_ms=500,
        )
    assert not got
    assert time.monotonic() - begun < 30


@pytest.mark.parametrize(
    "change, reason",
    [
        ({"ehlo_name": "a b"}, "no host name for EHLO"),
        ({"ehlo_name": ""}, "no host name for EHLO"),
        ({"host": "a/b"}, "a/b: not a host name or address"),
        (
            {"host": "10.0.0.1"},
            "10.0.0.1: without TLS only to this machine: ask for TLS, or write an "
            "address such as 127.0.0.1",
        ),
        (
            {"tls": STARTTLS, "host": "10.0.0.1"},
            "10.0.0.1: a certificate is verified for a name: write that in place of "
            "the address",
        ),
        (
            {"tls": STARTTLS, "ca_file": "/nonexistent"},
            "ca_file /nonexistent: No such file or directory",
        ),
        ({"user": "us"}, "a user needs a password file, and a password file a user"),
        (
            {"user": "us", "password_file": "/nonexistent"},
            "password_file /nonexistent: No such file or directory",
        ),
        (
            {"user": "us", "password_file": "/dev/null"},
            "password_file /dev/null: no password",
        ),
        (
            {"user": "us", "password_file": "/x", "tls": OPPORTUNISTIC},
            "a password is not sent without verified TLS",
        ),
    ],
    ids=str,
)
def test_settings(handover, change, reason):
    """What can't be used is said at once."""
    (got,) = handover.run(mail=settings(handover, **change))
    assert got == {"error": reason}


def test_other_settings(handover):
    """Set while it runs, they are used from then on."""
    with MailHost(handover.namespace, "127.0.0.1", port=2500) as host:
        (got,) = handover.run(
            handover.mail(MESSAGE),
            mail=settings(handover),
            again={"mail": settings(handover, port=2500)},
        )
    assert got["status"] == "accepted" and len(host.messages) == 1
