"""TLS over real sockets: what is trusted, what is refused and why, and how a stream ends."""

from __future__ import annotations

import datetime
import socket
import ssl
import tempfile
from dataclasses import replace

import curio
import pytest
import trustme
from cryptography import x509  # comes with trustme
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from scrapekit.errors import ConfigError, ConnectFailed, FetchTimeout, TLSFailed
from scrapekit.headers import Headers
from scrapekit.http import Client, Deadlines, Resolver, Terms, Trust, Way
from scrapekit.http.address import Address
from scrapekit.http.opening import Opener
from scrapekit.http.stream import connect_tcp
from scrapekit.http.tls import TLS, TLSStream
from scrapekit.retry import pause_before_retry
from scrapekit.url import split

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"
NOW = datetime.datetime.now(datetime.UTC)
LATE = Deadlines(5.0, 5.0, 5.0)
DAY = datetime.timedelta(days=1)


@pytest.fixture(scope="module")
def ca():
    return trustme.CA()


@pytest.fixture(scope="module")
def ca_file(ca, tmp_path_factory):
    path = tmp_path_factory.mktemp("tls") / "ca.pem"
    ca.cert_pem.write_to_path(str(path))
    return str(path)


def serving(cert):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    cert.configure_cert(context)
    return context


@pytest.fixture
def fetch(run, ca_file):
    """Send requests to https://a.test/ at that server, trusting the tests' own CA."""

    def fetcher(server, *, host="a.test", times=1, tls=None, deadlines=LATE):
        async def main():
            resolver = Resolver({"a.test": f"127.0.0.1:{server.port}"})
            try:
                async with Client(resolver, secure=(tls or TLS(Trust(ca_file=ca_file))).secure) as client:
                    replies = [
                        await client.send("GET", f"https://{host}/", Headers(), terms=Terms(deadlines))
                        for _ in range(times)
                    ]
                    return [(reply.body, reply.reused) for reply in replies]
            finally:
                await curio.run_in_thread(server.stop)  # its descriptors are this process's too

        return run(main)

    return fetcher


def test_G02_a_certificate_of_a_trusted_ca_is_accepted_and_the_connection_kept(fetch, loopback, ca):
    server = loopback(OK, context=serving(ca.issue_cert("a.test")), keep=True)
    assert fetch(server, times=3) == [(b"good", False), (b"good", True), (b"good", True)]
    assert server.connections == 1


@pytest.mark.parametrize("kind", ["RSA", "ECDSA"])
def test_G02_both_kinds_of_key_are_accepted(fetch, loopback, ca, kind):
    cert = ca.issue_cert("a.test", key_type=getattr(trustme.KeyType, kind))
    assert fetch(loopback(OK, context=serving(cert))) == [(b"good", False)]


def test_a_large_body_comes_in_many_records(fetch, loopback, ca):
    body = bytes(range(256)) * 2000
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    assert fetch(loopback(raw, context=serving(ca.issue_cert("a.test")), keep=True), times=2)[1] == (body, True)


def test_looks_at_the_rate_of_a_body_lose_none_of_its_records(fetch, loopback, ca, monkeypatch):
    monkeypatch.setattr("scrapekit.http.pace.LOOKS", 1_000)  # one each 5 ms, each of which breaks a read off
    pieces = [step for number in range(5) for step in (bytes([65 + number]) * 20_000, 0.03)]
    raw = (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", *pieces)
    server = loopback(*raw, context=serving(ca.issue_cert("a.test")), keep=True)
    slow = Deadlines(5.0, 5.0, 30.0, min_rate=1, rate_window=5.0)
    body = b"".join(pieces[::2])
    assert fetch(server, times=2, deadlines=slow) == [(body, False), (body, True)]


# what the certificate is, and what the error says
REFUSED = {
    "the certificate has expired": {"not_before": NOW - 3 * DAY, "not_after": NOW - DAY},
    "the certificate is not yet valid": {"not_before": NOW + DAY, "not_after": NOW + 3 * DAY},
}


@pytest.mark.parametrize("words", REFUSED)
def test_G01_a_certificate_out_of_its_time_is_refused(fetch, loopback, ca, words):
    server = loopback(OK, context=serving(ca.issue_cert("a.test", **REFUSED[words])))
    with pytest.raises(TLSFailed, match=words) as caught:
        fetch(server)
    error = caught.value
    assert (error.phase, error.sent, error.host, error.address) == ("tls", False, "a.test", f"127.0.0.1:{server.port}")
    assert server.requests == []


@pytest.mark.parametrize(
    ("issued", "host", "words"),
    [
        ("other.test", "a.test", "another host"),
        ("127.0.0.2", "127.0.0.1", "another address"),
        ("a.test", "127.0.0.1", "another address"),
    ],
)
def test_G01_a_certificate_for_another_is_refused(fetch, loopback, ca, issued, host, words):
    server = loopback(OK, context=serving(ca.issue_cert(issued)))
    with pytest.raises(TLSFailed, match=words):
        fetch(server, host=host if host == "a.test" else f"{host}:{server.port}")


def made(ca, **how):
    """A certificate that trustme will not make, in a context that serves it."""
    key = how.get("key") or ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a.test")])
    signer = load_pem_private_key(ca.private_key_pem.bytes(), None) if ca else key
    issuer = x509.load_pem_x509_certificate(ca.cert_pem.bytes()).subject if ca else name
    builder = x509.CertificateBuilder(issuer, name, key.public_key(), 7, NOW - DAY, NOW + DAY)
    if how.get("names", True):
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("a.test")]), critical=False)
    cert = builder.sign(signer, hashes.SHA256())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + cert.public_bytes(Encoding.PEM)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:
        file.write(pem)
        file.flush()
        context.load_cert_chain(file.name)
    return context


def test_G01_a_certificate_that_nobody_signed_is_refused(fetch, loopback):
    with pytest.raises(TLSFailed, match="self-signed"):
        fetch(loopback(OK, context=made(None)))


def test_G01_a_common_name_alone_is_no_name(fetch, loopback, ca):  # RFC 9525 §2
    with pytest.raises(TLSFailed, match="another host"):
        fetch(loopback(OK, context=made(ca, names=False)))


def test_G01_a_key_of_1024_bits_is_refused(fetch, loopback, ca):
    key = rsa.generate_private_key(65537, 1024)
    with pytest.raises(TLSFailed, match="too weak"):
        fetch(loopback(OK, context=made(ca, key=key)))


def test_G01_G02_a_chain_without_its_middle_is_refused_and_with_it_accepted(fetch, loopback, ca):
    middle = ca.create_child_ca()
    cert = middle.issue_cert("a.test")
    assert fetch(loopback(OK, context=serving(cert))) == [(b"good", False)]
    short = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with cert.private_key_pem.tempfile() as key, cert.cert_chain_pems[0].tempfile() as leaf:
        short.load_cert_chain(leaf, key)
    with pytest.raises(TLSFailed, match="missing"):
        fetch(loopback(OK, context=short))


def test_a_connection_costs_no_new_reading_of_the_system_s_trust():
    """truststore does that on Linux, 20 ms each time, in which the kernel stands still."""
    tls = TLS()
    assert tls.context is tls.context
    if ssl.get_default_verify_paths().cafile:
        assert type(tls.context) is ssl.SSLContext


def test_G01_a_ca_that_the_system_does_not_know_is_refused(fetch, loopback, ca):
    server = loopback(OK, context=serving(ca.issue_cert("a.test")))
    with pytest.raises(TLSFailed, match="not trusted"):
        fetch(server, tls=TLS())


def middle_left_out(ca):
    cert = ca.create_child_ca().issue_cert("a.test")
    short = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with cert.private_key_pem.tempfile() as key, cert.cert_chain_pems[0].tempfile() as leaf:
        short.load_cert_chain(leaf, key)
    return short


#: All that a certificate can have wrong, as contexts that serve it.
WRONG = {
    "expired": lambda ca: serving(ca.issue_cert("a.test", **REFUSED["the certificate has expired"])),
    "not yet valid": lambda ca: serving(ca.issue_cert("a.test", **REFUSED["the certificate is not yet valid"])),
    "for another host": lambda ca: serving(ca.issue_cert("other.test")),
    "for an address": lambda ca: serving(ca.issue_cert("127.0.0.1")),
    "self-signed": lambda ca: made(None),
    "of an unknown root": lambda ca: serving(trustme.CA().issue_cert("a.test")),
    "without its middle": middle_left_out,
    "of 1024 bits": lambda ca: made(ca, key=rsa.generate_private_key(65537, 1024)),
    "with a common name only": lambda ca: made(ca, names=False),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_G01_what_is_wrong_is_refused_and_not_tried_again_unless_verification_is_off(fetch, loopback, ca, wrong):
    with pytest.raises(TLSFailed) as caught:
        fetch(loopback(OK, context=WRONG[wrong](ca)))
    assert caught.value.phase == "tls"
    assert pause_before_retry(caught.value, attempt=1, repeatable=True) is None
    server = loopback(OK, context=WRONG[wrong](ca))
    assert fetch(server, tls=TLS(Trust(verify=False))) == [(b"good", False)]


def test_the_tests_ca_is_trusted_beside_the_system_and_not_in_its_place(ca_file):
    alone, beside = TLS().context, TLS(Trust(ca_file=ca_file)).context
    system = {cert["serialNumber"] for cert in alone.get_ca_certs()}
    added = {cert["serialNumber"] for cert in beside.get_ca_certs()} - system
    assert len(added) == 1
    assert len(beside.get_ca_certs()) == len(alone.get_ca_certs()) + 1
    if ssl.get_default_verify_paths().cafile:
        assert len(system) > 10


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1:DeprecationWarning")
def test_G03_tls_1_1_is_refused(fetch, loopback, ca):  # RFC 8996
    context = serving(ca.issue_cert("a.test"))
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(TLSFailed, match="no TLS version from 1.2 on"):
        fetch(loopback(OK, context=context))


@pytest.mark.parametrize("deadlines", [Deadlines(0.1, 5.0, 5.0), Deadlines(5.0, 5.0, 5.0, tls=0.1)])
def test_G04_a_handshake_that_is_never_answered_ends_at_the_deadline(fetch, loopback, deadlines):
    with pytest.raises(FetchTimeout) as caught:
        fetch(loopback("silence"), deadlines=deadlines)
    assert (caught.value.phase, caught.value.host) == ("tls", "a.test")


@pytest.mark.parametrize("cut", [0.0, b"\x16\x03"])
def test_a_connection_that_ends_in_the_handshake_is_our_error(fetch, loopback, cut):
    with pytest.raises((TLSFailed, ConnectFailed)) as caught:
        fetch(loopback(cut))
    assert caught.value.phase == "tls"


def test_a_reset_in_the_handshake_is_our_error(fetch, loopback):
    with pytest.raises(ConnectFailed) as caught:
        fetch(loopback("reset"))
    assert caught.value.phase == "tls"


@pytest.mark.parametrize("answer", [OK, b"220 smtp.test ESMTP\r\n"])
def test_G07_a_server_without_tls_is_told_from_a_bad_certificate(fetch, loopback, answer):
    with pytest.raises(TLSFailed, match="does not speak TLS"):
        fetch(loopback(answer))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_G06_a_server_that_wants_our_certificate_is_our_error(fetch, loopback, ca, version):
    context = serving(ca.issue_cert("a.test"))
    context.minimum_version = context.maximum_version = version
    context.verify_mode = ssl.CERT_REQUIRED
    ca.configure_trust(context)
    with pytest.raises(TLSFailed, match="client certificate"):
        fetch(loopback(OK, context=context))


@pytest.mark.parametrize(("ending", "fits"), [(0.0, True), ("rude", False)])
def test_G05_a_body_without_length_ends_with_a_goodbye_or_not_at_all(fetch, loopback, ca, ending, fits):
    server = loopback(b"HTTP/1.1 200 OK\r\n\r\ngood", ending, context=serving(ca.issue_cert("a.test")))
    if fits:
        assert fetch(server) == [(b"good", False)]
    else:
        with pytest.raises(ConnectFailed, match="goodbye") as caught:
            fetch(server)
        assert caught.value.phase == "body"


def test_a_body_with_length_needs_no_goodbye(fetch, loopback, ca):
    server = loopback(OK, "rude", context=serving(ca.issue_cert("a.test")))
    assert fetch(server) == [(b"good", False)]


def test_the_name_is_sent_and_the_protocol_agreed_on(fetch, loopback, ca):
    asked = []
    context = serving(ca.issue_cert("a.test"))
    context.set_alpn_protocols(["h2", "http/1.1"])
    context.sni_callback = lambda sock, name, _: asked.append(name)
    assert fetch(loopback(OK, context=context)) == [(b"good", False)]
    assert asked == ["a.test"]


@pytest.mark.parametrize(
    ("offered", "http2", "agreed"),
    [
        (["h2", "http/1.1"], True, "h2"),
        (["h2", "http/1.1"], False, "http/1.1"),
        (["http/1.1"], True, "http/1.1"),
        ([], True, ""),
        ([], False, ""),
    ],
)
def test_http2_is_offered_where_it_is_wanted_and_the_stream_says_what_was_agreed(
    run, loopback, ca, ca_file, offered, http2, agreed
):
    context = serving(ca.issue_cert("a.test"))
    if offered:
        context.set_alpn_protocols(offered)
    server = loopback(OK, context=context)

    async def main():
        tcp = await connect_tcp(Address("127.0.0.1", server.port))
        stream = await TLS(Trust(ca_file=ca_file), http2=http2).secure(tcp, "a.test")
        protocol = stream.protocol
        await stream.close()
        await curio.run_in_thread(server.stop)
        return protocol

    assert run(main) == agreed


def test_each_way_has_a_context_of_its_own_which_is_made_once(run, loopback, ca, ca_file):
    made = []

    async def main():
        resolver = Resolver({"a.test": f"127.0.0.1:{server.port}"})
        opener = Opener(resolver)
        for way in (TRUSTING, TRUSTING, replace(TRUSTING, http2=True)):
            stream = await opener.open(split("https://a.test/"), Terms(LATE, way=way))
            made.append(stream._engine.context)
            await stream.close()
        with pytest.raises(TLSFailed, match="not trusted"):
            await opener.open(split("https://a.test/"), Terms(LATE))
        await curio.run_in_thread(server.stop)

    TRUSTING = Way(trust=Trust(ca_file=ca_file))
    server = loopback(OK, context=serving(ca.issue_cert("a.test")))
    run(main)
    assert made[0] is made[1] is not made[2]


# ---- a client's own certificate, and files that are wrong ----


@pytest.fixture(scope="module")
def pem(ca, tmp_path_factory):
    """Files: a client's certificate, its key, both in one, another one's key, a locked key, an empty one."""
    folder = tmp_path_factory.mktemp("client")
    cert, other = ca.issue_cert("me@client.test"), ca.issue_cert("you@client.test")
    locked = load_pem_private_key(cert.private_key_pem.bytes(), None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
    )
    files = {
        "cert": cert.cert_chain_pems[0].bytes(),
        "key": cert.private_key_pem.bytes(),
        "both": cert.private_key_and_cert_chain_pem.bytes(),
        "other": other.private_key_pem.bytes(),
        "locked": locked,
        "empty": b"",
        "broken": b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return lambda name: str(folder / name) if name else ""


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize(("certificate", "key"), [("cert", "key"), ("both", "")])
def test_G06_a_server_that_wants_our_certificate_gets_it(fetch, loopback, ca, ca_file, pem, certificate, key, version):
    context = serving(ca.issue_cert("a.test"))
    context.minimum_version = context.maximum_version = version
    context.verify_mode = ssl.CERT_REQUIRED
    ca.configure_trust(context)
    tls = TLS(Trust(ca_file=ca_file, certificate=pem(certificate), key=pem(key)))
    assert fetch(loopback(OK, context=context), tls=tls) == [(b"good", False)]


@pytest.mark.parametrize(
    ("beside", "certificate", "key", "setting", "words"),
    [
        ("nowhere", "", "", "ca_file", "nowhere: No such file"),
        (".", "", "", "ca_file", "Is a directory"),
        ("empty", "", "", "ca_file", "empty holds no certificate"),
        ("key", "", "", "ca_file", "key holds no certificate"),
        ("broken", "", "", "ca_file", "broken holds no certificate"),
        ("", "nowhere", "key", "certificate", "nowhere: No such file"),
        ("", "key", "key", "certificate", "key holds no certificate"),
        ("", "broken", "key", "certificate", "broken holds no certificate"),
        ("", "cert", "nowhere", "key", "nowhere: No such file"),
        ("", "cert", "cert", "key", "cert holds no private key"),
        ("", "cert", "", "certificate", "cert holds no private key"),
        ("", "cert", "other", "key", "does not belong to the certificate"),
        ("", "cert", "locked", "key", "is locked with a passphrase"),
        ("", "", "key", "key", "of no use without its certificate"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_with_its_setting(pem, beside, certificate, key, setting, words):
    with pytest.raises(ConfigError, match=words) as caught:
        TLS(Trust(ca_file=pem(beside), certificate=pem(certificate), key=pem(key))).context
    assert caught.value.key == setting


def test_a_file_that_went_away_meanwhile_is_an_error_of_the_fetch(fetch, loopback, ca):
    with pytest.raises(TLSFailed, match="ca_file: cannot read /nowhere"):
        fetch(loopback(OK, context=serving(ca.issue_cert("a.test"))), tls=TLS(Trust(ca_file="/nowhere")))


def test_a_name_that_no_certificate_can_have_is_our_error(run, loopback, ca):
    server = loopback(OK, context=serving(ca.issue_cert("a.test")))

    async def main():
        try:
            await TLS().secure(await connect_tcp(Address("127.0.0.1", server.port)), "a" * 64 + ".test")
        finally:
            await curio.run_in_thread(server.stop)

    with pytest.raises(TLSFailed, match="no name that a certificate can have"):
        run(main)


def test_a_port_that_nobody_listens_on_is_refused(fetch, loopback):
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    server = loopback(OK)
    server.port = port
    with pytest.raises(ConnectFailed, match="refused"):
        fetch(server)


class Trickle:
    """A stream that takes a few bytes at a time; a server's engine reads them."""

    secured, address = False, "192.0.2.1:443"

    def __init__(self, context):
        self.inbox, self.outbox = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.server = context.wrap_bio(self.inbox, self.outbox, server_side=True)
        self.slow = False

    async def write(self, data):
        if self.slow:
            await curio.sleep(0)
            data = data[:7]
        self.inbox.write(data)
        return len(data)

    async def read(self, size):
        try:
            self.server.do_handshake()
        except ssl.SSLWantReadError:
            pass
        return self.outbox.read()

    def heard(self):
        found = b""
        while True:
            try:
                found += self.server.read(1000)
            except ssl.SSLWantReadError:
                return found


@pytest.mark.parametrize("cancelled", [False, True])
def test_who_write_at_once_or_are_cancelled_leave_no_half_record(run, ca, ca_file, cancelled):
    async def main():
        trickle = Trickle(serving(ca.issue_cert("site.test")))
        stream = TLSStream(trickle, TLS(Trust(ca_file=ca_file)).context, "site.test")
        await stream.shake_hands()
        trickle.server.do_handshake()
        trickle.slow = True
        tasks = [await curio.spawn(stream.write, each * 100) for each in (b"a", b"b", b"c")]
        for _ in range(3):
            await curio.sleep(0)
        if cancelled:
            await tasks[0].cancel()
        for task in tasks[cancelled:]:
            await task.join()
        await stream.write(b"d" * 100)
        return trickle.heard()

    assert run(main) == b"".join(each * 100 for each in (b"a", b"b", b"c", b"d"))
