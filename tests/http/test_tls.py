"""TLS over real sockets: what is trusted, what is refused and why, and how a stream ends."""

from __future__ import annotations

import datetime
import socket
import ssl
import tempfile

import curio
import pytest
import trustme
from cryptography import x509  # comes with trustme
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import NameOID

from scrapekit.errors import ConnectFailed, FetchTimeout, TLSFailed
from scrapekit.headers import Headers
from scrapekit.http import Client, Deadlines, Resolver, Terms, Trust
from scrapekit.http.tls import TLS

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


def test_a_certificate_of_a_trusted_ca_is_accepted_and_the_connection_kept(fetch, loopback, ca):  # G02
    server = loopback(OK, context=serving(ca.issue_cert("a.test")), keep=True)
    assert fetch(server, times=3) == [(b"good", False), (b"good", True), (b"good", True)]
    assert server.connections == 1


@pytest.mark.parametrize("kind", ["RSA", "ECDSA"])
def test_both_kinds_of_key_are_accepted(fetch, loopback, ca, kind):
    cert = ca.issue_cert("a.test", key_type=getattr(trustme.KeyType, kind))
    assert fetch(loopback(OK, context=serving(cert))) == [(b"good", False)]


def test_a_large_body_comes_in_many_records(fetch, loopback, ca):
    body = bytes(range(256)) * 2000
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    assert fetch(loopback(raw, context=serving(ca.issue_cert("a.test")), keep=True), times=2)[1] == (body, True)


# G01: what the certificate is, and what the error says
REFUSED = {
    "the certificate has expired": {"not_before": NOW - 3 * DAY, "not_after": NOW - DAY},
    "the certificate is not yet valid": {"not_before": NOW + DAY, "not_after": NOW + 3 * DAY},
}


@pytest.mark.parametrize("words", REFUSED)
def test_a_certificate_out_of_its_time_is_refused(fetch, loopback, ca, words):
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
def test_a_certificate_for_another_is_refused(fetch, loopback, ca, issued, host, words):
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


def test_a_certificate_that_nobody_signed_is_refused(fetch, loopback):
    with pytest.raises(TLSFailed, match="self-signed"):
        fetch(loopback(OK, context=made(None)))


def test_a_common_name_alone_is_no_name(fetch, loopback, ca):  # RFC 9525 §2
    with pytest.raises(TLSFailed, match="another host"):
        fetch(loopback(OK, context=made(ca, names=False)))


def test_a_key_of_1024_bits_is_refused(fetch, loopback, ca):
    key = rsa.generate_private_key(65537, 1024)
    with pytest.raises(TLSFailed, match="too weak"):
        fetch(loopback(OK, context=made(ca, key=key)))


def test_a_chain_without_its_middle_is_refused_and_with_it_accepted(fetch, loopback, ca):
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


def test_a_ca_that_the_system_does_not_know_is_refused(fetch, loopback, ca):
    server = loopback(OK, context=serving(ca.issue_cert("a.test")))
    with pytest.raises(TLSFailed, match="not trusted"):
        fetch(server, tls=TLS())


def test_verification_can_be_switched_off(fetch, loopback, ca):
    server = loopback(OK, context=serving(ca.issue_cert("other.test")))
    assert fetch(server, tls=TLS(Trust(verify=False))) == [(b"good", False)]


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1:DeprecationWarning")
def test_tls_1_1_is_refused(fetch, loopback, ca):  # G03, RFC 8996
    context = serving(ca.issue_cert("a.test"))
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(TLSFailed, match="no TLS version from 1.2 on"):
        fetch(loopback(OK, context=context))


def test_a_handshake_that_is_never_answered_ends_at_the_deadline(fetch, loopback):  # G04
    with pytest.raises(FetchTimeout) as caught:
        fetch(loopback("silence"), deadlines=Deadlines(0.1, 5.0, 5.0))
    assert caught.value.phase == "tls"


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
def test_a_server_without_tls_is_told_from_a_bad_certificate(fetch, loopback, answer):  # G07
    with pytest.raises(TLSFailed, match="does not speak TLS"):
        fetch(loopback(answer))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_server_that_wants_our_certificate_is_our_error(fetch, loopback, ca, version):  # G06
    context = serving(ca.issue_cert("a.test"))
    context.minimum_version = context.maximum_version = version
    context.verify_mode = ssl.CERT_REQUIRED
    ca.configure_trust(context)
    with pytest.raises(TLSFailed, match="client certificate"):
        fetch(loopback(OK, context=context))


@pytest.mark.parametrize(("ending", "fits"), [(0.0, True), ("rude", False)])
def test_a_body_without_length_ends_with_a_goodbye_or_not_at_all(fetch, loopback, ca, ending, fits):  # G05
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


def test_a_port_that_nobody_listens_on_is_refused(fetch, loopback):
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    server = loopback(OK)
    server.port = port
    with pytest.raises(ConnectFailed, match="refused"):
        fetch(server)
