"""G: handshakes and certificates that are wrong. Nothing is sent to who is not proven to be the host."""

from __future__ import annotations

import datetime
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import trustme
from cryptography import x509  # comes with trustme
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import NameOID

from scrapekit.errors import ConnectFailed, FetchError, FetchTimeout, TLSFailed
from scrapekit.http import Deadlines, Way
from scrapekit.http.terms import Trust
from scrapekit.retry import pause_before_retry
from tests.scenarios.server import CLOSE, GOOD, RESET, SILENCE, Cut
from tests.scenarios.web import LATE, Web, send

NOW: Final = datetime.datetime.now(datetime.UTC)
DAY: Final = datetime.timedelta(days=1)


class Authority:
    """The tests' own CA, and the certificates that it gives out."""

    def __init__(self, folder: Path) -> None:
        self.ca, self.folder = trustme.CA(), folder
        self.file = str(folder / "ca.pem")
        self.ca.cert_pem.write_to_path(self.file)
        self.trusted = Way(trust=Trust(ca_file=self.file))

    def context(self, *names: str, ca: trustme.CA | None = None, **how: Any) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        (ca or self.ca).issue_cert(*names or ("a.test",), **how).configure_cert(context)
        return context

    def without_the_middle(self) -> ssl.SSLContext:
        cert = self.ca.create_child_ca().issue_cert("a.test")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with cert.private_key_pem.tempfile() as key, cert.cert_chain_pems[0].tempfile() as leaf:
            context.load_cert_chain(leaf, key)
        return context

    def made(self, *, signed: bool = True, named: bool = True, bits: int = 0) -> ssl.SSLContext:
        """What trustme will not make: signed by itself, without a subjectAltName, or with a short key."""
        key = rsa.generate_private_key(65537, bits) if bits else ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a.test")])
        issuer = x509.load_pem_x509_certificate(self.ca.cert_pem.bytes()).subject if signed else subject
        builder = x509.CertificateBuilder(issuer, subject, key.public_key(), 7, NOW - DAY, NOW + DAY)
        if named:
            names = x509.SubjectAlternativeName([x509.DNSName("a.test")])
            builder = builder.add_extension(names, critical=False)
        signer: Any = load_pem_private_key(self.ca.private_key_pem.bytes(), None) if signed else key
        pem = self.folder / "made.pem"
        pem.write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            + builder.sign(signer, hashes.SHA256()).public_bytes(Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        context.load_cert_chain(pem)
        return context


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def good(web: Callable[..., Web], authority: Authority) -> Iterator[Web]:
    """A server beside the one in question, which must stay in reach."""
    return web({}, context=authority.context("good.test"))


Fails = Callable[..., FetchError]


@pytest.fixture
def fails(good: Web, authority: Authority) -> Fails:
    def check(
        bad: Web, kind: type[FetchError], phase: str, *, deadlines: Deadlines = LATE, asked: int = 0
    ) -> FetchError:
        """A request to a.test ends so, on one connection; one to the good server is answered by the same client."""
        names = bad.names | {"good.test": f"127.0.0.1:{good.server.port}"}
        before, bad.others = bad.server.connections, [good.server]

        async def main(client: Any) -> FetchError:
            with pytest.raises(FetchError) as caught:
                await send(client, "/g", scheme="https", way=authority.trusted, deadlines=deadlines)
            assert repr(client.pool) == "<Pool 0 idle>"
            reply = await send(client, "/good", scheme="https", host="good.test", way=authority.trusted)
            assert reply.body == b"good"
            return caught.value

        error: FetchError = bad.talk(main, names=names)
        assert (type(error), error.phase, error.host) == (kind, phase, "a.test"), error
        assert error.address == f"127.0.0.1:{bad.server.port}"
        assert (bad.server.connections - before, len(bad.server.asked)) == (1, asked)
        return error

    return check


#  what is wrong        the certificate                                                    what the error says
WRONG: Final[dict[str, tuple[Callable[[Authority], ssl.SSLContext], str]]] = {
    "expired": (lambda a: a.context(not_before=NOW - 3 * DAY, not_after=NOW - DAY), "expired"),
    "not yet valid": (lambda a: a.context(not_before=NOW + DAY, not_after=NOW + 3 * DAY), "not yet valid"),
    "wrong host": (lambda a: a.context("b.test"), "another host"),
    "a parent's": (lambda a: a.context("test"), "another host"),
    "a wildcard above": (lambda a: a.context("*.a.test"), "another host"),
    "self-signed": (lambda a: a.made(signed=False), "self-signed"),
    "untrusted root": (lambda a: a.context(ca=trustme.CA()), "not trusted"),
    "incomplete chain": (Authority.without_the_middle, "missing"),
    "1024 bit": (lambda a: a.made(bits=1024), "too weak"),
    "CN only": (lambda a: a.made(named=False), "another host"),
}


@pytest.mark.parametrize("what", WRONG)
def test_G01_a_wrong_certificate_is_refused_and_says_why(
    web: Callable[..., Web], fails: Fails, authority: Authority, what: str
) -> None:
    make, words = WRONG[what]
    bad = web({"/g": GOOD}, context=make(authority))
    error = fails(bad, TLSFailed, "tls")
    assert words in error.detail
    assert not error.sent
    assert pause_before_retry(error, attempt=1, repeatable=True) is None

    async def unverified(client: Any) -> bytes:
        reply = await send(client, "/g", scheme="https", way=Way(trust=Trust(verify=False)))
        body: bytes = reply.body
        return body

    assert bad.talk(unverified) == b"good"


def test_G01_a_certificate_without_the_address_is_refused(web: Callable[..., Web], authority: Authority) -> None:
    bad = web({"/g": GOOD}, context=authority.context("a.test"))

    async def main(client: Any) -> None:
        host = f"127.0.0.1:{bad.server.port}"
        with pytest.raises(TLSFailed, match="another address"):
            await send(client, "/g", scheme="https", host=host, way=authority.trusted)

    bad.talk(main)
    assert bad.server.asked == []


def test_G01_a_crawl_does_not_try_it_again(web: Callable[..., Web], authority: Authority) -> None:
    bad = web({"/g": GOOD}, context=authority.context("b.test"))
    crawled = bad.crawl(["https://a.test/g"])
    assert (crawled.outcomes, crawled.reasons) == ((0, 1, 0, 0), {"failed: tls": 1})
    assert (bad.server.connections, bad.server.asked) == (1, [])


@pytest.mark.parametrize("kind", ["RSA", "ECDSA"])
def test_G02_a_good_certificate_is_accepted(web: Callable[..., Web], authority: Authority, kind: str) -> None:
    for ca in (authority.ca, authority.ca.create_child_ca()):
        fine = web({"/g": GOOD}, context=authority.context(ca=ca, key_type=trustme.KeyType[kind]))

        async def main(client: Any) -> list[tuple[bytes, bool]]:
            replies = [await send(client, "/g", scheme="https", way=authority.trusted) for _ in range(3)]
            return [(reply.body, reply.reused) for reply in replies]

        assert fine.talk(main) == [(b"good", False), (b"good", True), (b"good", True)]
        assert (fine.server.connections, len(fine.server.asked)) == (1, 3)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1:DeprecationWarning")
def test_G03_a_server_of_tls_1_1_is_refused(web: Callable[..., Web], fails: Fails, authority: Authority) -> None:
    context = authority.context()
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    assert "1.2" in fails(web({}, context=context), TLSFailed, "tls").detail


@pytest.mark.parametrize("opening", [(SILENCE,), (b"\x16\x03\x03\x40\x00", SILENCE)])
def test_G04_a_handshake_that_is_never_answered_ends_at_its_deadline(
    web: Callable[..., Web], fails: Fails, opening: Any
) -> None:
    fails(web({"connect": opening}), FetchTimeout, "tls", deadlines=Deadlines(10.0, 10.0, 10.0, tls=0.2))


@pytest.mark.parametrize(("ending", "whole"), [(CLOSE, True), (Cut(), False), (RESET, False)])
def test_G05_a_body_that_ends_without_a_goodbye_is_incomplete(
    web: Callable[..., Web], fails: Fails, authority: Authority, ending: Any, whole: bool
) -> None:
    play = {"/g": (b"HTTP/1.1 200 OK\r\n\r\ngood", 0.02, ending)}
    ends = web(play, context=authority.context())
    if not whole:
        assert fails(ends, ConnectFailed, "body", asked=1).sent
        return

    async def main(client: Any) -> bytes:
        body: bytes = (await send(client, "/g", scheme="https", way=authority.trusted)).body
        return body

    assert ends.talk(main) == b"good"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_G06_a_server_that_wants_our_certificate_says_so(
    web: Callable[..., Web], fails: Fails, authority: Authority, version: ssl.TLSVersion
) -> None:
    context = authority.context()
    context.minimum_version = context.maximum_version = version
    context.verify_mode = ssl.CERT_REQUIRED
    authority.ca.configure_trust(context)
    assert "client certificate" in fails(web({}, context=context), TLSFailed, "tls").detail


NO_TLS: Final = {
    "http": (GOOD, SILENCE),
    "smtp": (b"220 a.test ESMTP\r\n", SILENCE),
    "nothing": (CLOSE,),
    "an alert": (b"\x15\x03\x01\x00\x02\x02\x46", SILENCE),
    "half a record": (b"\x16\x03", CLOSE),
}


@pytest.mark.parametrize("what", NO_TLS)
def test_G07_what_speaks_no_tls_is_told_from_a_wrong_certificate(
    web: Callable[..., Web], fails: Fails, what: str
) -> None:
    error = fails(web({"connect": NO_TLS[what]}), TLSFailed, "tls")
    assert "certificate" not in error.detail


def test_G07_tls_where_http_was_asked_for_is_an_error(web: Callable[..., Web], authority: Authority) -> None:
    secure = web({"/g": GOOD}, context=authority.context())
    plain = web({})
    secure.others.append(plain.server)

    async def main(client: Any) -> FetchError:
        with pytest.raises(FetchError) as caught:
            await send(client, "/g")
        assert (await send(client, "/good", host="good.test")).body == b"good"
        return caught.value

    error = secure.talk(main, names=secure.names | {"good.test": f"127.0.0.1:{plain.server.port}"})
    assert error.phase == "head"
    assert secure.server.asked == []
