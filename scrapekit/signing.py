"""Requests signed by HTTP Message Signatures (RFC 9421) with Ed25519, as Web Bot Auth has them.

A site that gets such a request can find the public key at an address that is named in it, and so knows who asks however
the User-Agent reads (draft-ietf-webbotauth-httpsig-protocol). The signature covers method, authority and path, and ends
soon, so that whoever sees it cannot use it for another request for long.

Pure but for ``load``, which reads the key; clock and nonces are handed in. The one owner of ``cryptography``, which is
an extra.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from scrapekit.config import Settings
from scrapekit.errors import ConfigError
from scrapekit.structured import string

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

#: How long a signature is good for. Seconds; clocks differ by some, and a retry is signed anew.
LIFETIME: Final = 300
#: Where a directory of keys stands, and what it is sent as.
WELL_KNOWN: Final = "/.well-known/http-message-signatures-directory"
MEDIA_TYPE: Final = "application/http-message-signatures-directory+json"
_LABEL: Final = "sig1"
_TAG: Final = "web-bot-auth"
_DIRECTORY_TAG: Final = "http-message-signatures-directory"

Fields = list[tuple[str, str]]
#: Names and values of a signature's parameters, in their order.
Parameters = Sequence[tuple[str, "str | int"]]
#: Identifiers of what is covered, as they are written, each with its value.
Components = Sequence[tuple[str, str]]


class Key:
    """An Ed25519 key. ``id`` is its thumbprint (RFC 7638; RFC 8037 appendix A.3), by which a directory names it."""

    __slots__ = ("_private", "id", "public")

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public = _base64url(private.public_key().public_bytes_raw())
        members = json.dumps({"crv": "Ed25519", "kty": "OKP", "x": self.public}, separators=(",", ":"))
        self.id = _base64url(hashlib.sha256(members.encode()).digest())

    def __repr__(self) -> str:
        return f"<Key {self.id}>"

    @classmethod
    def new(cls) -> Key:
        """A new one. Raises ConfigError where ``cryptography`` is not installed."""
        return cls(_ed25519().Ed25519PrivateKey.generate())

    @classmethod
    def from_pem(cls, pem: bytes) -> Key:
        """The key of a file as ``pem`` writes it. Raises ValueError for any other."""
        ed25519 = _ed25519()
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            private = load_pem_private_key(pem, None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise ValueError(f"no private key can be read from it: {error}") from None
        if not isinstance(private, ed25519.Ed25519PrivateKey):
            raise ValueError("it is a key of another kind; Ed25519 is wanted")
        return cls(private)

    def pem(self) -> bytes:
        """The private key as PKCS 8 in PEM, unencrypted."""
        from cryptography.hazmat.primitives import serialization as form

        return self._private.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())

    def jwk(self) -> dict[str, str]:
        """The public key as a directory has it (RFC 8037 §2)."""
        return {"kty": "OKP", "crv": "Ed25519", "kid": self.id, "x": self.public, "use": "sig"}

    def sign(self, data: bytes) -> bytes:
        """The 64 bytes of a signature (RFC 8032 §5.1.6)."""
        return self._private.sign(data)


class Signer:
    """Signs requests: ``signer(method, url)`` gives the fields to send with it.

    ``agent`` is the https origin at which the key's directory is served. ``clock`` gives seconds since the epoch.
    """

    def __init__(
        self,
        key: Key,
        agent: str,
        *,
        clock: Callable[[], float],
        nonce: Callable[[], str] = lambda: secrets.token_urlsafe(32),
    ) -> None:
        self._key, self._clock, self._nonce = key, clock, nonce
        self._agent = string(agent)

    def __repr__(self) -> str:
        return f"<Signer {self._agent} {self._key.id}>"

    def __call__(self, method: str, url: str) -> Fields:
        """The fields for a request to a canonical URL."""
        parts = urlsplit(url)
        created = int(self._clock())
        covered = (
            ('"@method"', method),
            ('"@authority"', parts.netloc),
            ('"@path"', parts.path),
            (f'"signature-agent";key="{_LABEL}"', self._agent),
        )
        parameters: Parameters = (
            ("created", created),
            ("keyid", self._key.id),
            ("alg", "ed25519"),
            ("expires", created + LIFETIME),
            ("nonce", self._nonce()),
            ("tag", _TAG),
        )
        return [("Signature-Agent", f"{_LABEL}={self._agent}"), *signed(self._key, _LABEL, covered, parameters)]


def signed(key: Key, label: str, covered: Components, parameters: Parameters) -> Fields:
    """Signature-Input and Signature over some components (RFC 9421 §3.1 and §4)."""
    said = signature_params((name for name, _ in covered), parameters)
    signature = base64.b64encode(key.sign(signature_base(covered, said).encode())).decode()
    return [("Signature-Input", f"{label}={said}"), ("Signature", f"{label}=:{signature}:")]


def signature_params(names: Iterable[str], parameters: Parameters) -> str:
    """What is covered and by which parameters, as one structured value (RFC 9421 §2.3)."""
    written = (f";{name}={value if isinstance(value, int) else string(value)}" for name, value in parameters)
    return f"({' '.join(names)}){''.join(written)}"


def signature_base(covered: Components, params: str) -> str:
    """The text that is signed (RFC 9421 §2.5)."""
    lines = [f"{name}: {value}" for name, value in covered]
    return "\n".join([*lines, f'"@signature-params": {params}'])


def directory(keys: Iterable[Key]) -> str:
    """The file that is to stand at ``WELL_KNOWN``: the public keys (a JWK set, RFC 7517 §5)."""
    return json.dumps({"keys": [key.jwk() for key in keys]}, separators=(",", ":"))


def directory_fields(key: Key, authority: str, body: bytes, *, created: int, expires: int) -> Fields:
    """The fields by which a server of the directory proves that the key is its own.

    Recommended and not needed (draft-ietf-webbotauth-httpsig-protocol, "Validating the Domain Binding").
    """
    digest = f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"
    covered = (('"@authority";req', authority), ('"content-digest"', digest))
    parameters = (("created", created), ("expires", expires), ("keyid", key.id), ("tag", _DIRECTORY_TAG))
    return [("Content-Digest", digest), *signed(key, "binding", covered, parameters)]


def load(file: Path) -> Key:
    """Read a key's file. Raises ConfigError, also for one that others may read."""
    hint = "make one: scrapekit identity new"
    try:
        with file.open("rb") as opened:
            mode, pem = file.stat().st_mode, opened.read(65_536)
    except OSError as error:
        raise ConfigError(
            f"cannot be read: {error.strerror}", file=file, key="identity.signing_key", hint=hint
        ) from None
    if mode & 0o077:
        raise ConfigError("others may read it", file=file, key="identity.signing_key", hint=f"chmod 600 {file}")
    try:
        return Key.from_pem(pem)
    except ValueError as error:
        raise ConfigError(str(error), file=file, key="identity.signing_key", hint=hint) from None


def signer(settings: Settings, *, clock: Callable[[], float]) -> Signer | None:
    """What signs the requests, if the settings name a key. Raises ConfigError."""
    if settings.identity.signing_key is None:
        return None
    assert settings.key_origin is not None, "settings with a key name an origin"
    return Signer(load(settings.root / settings.identity.signing_key), settings.key_origin, clock=clock)


def _ed25519() -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError:
        raise ConfigError(
            "requests cannot be signed: cryptography is not installed", hint="pip install 'polite-scrapekit[signing]'"
        ) from None
    return ed25519


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
