"""Whom a crawl believes in TLS, and what it shows of itself: the contexts.

The system's trust by default, TLS 1.2 or later; a file's CA beside it, a client's certificate, or no verification.
Every file is read here, and what is wrong with one is told with the setting that names it.
"""

from __future__ import annotations

import ssl
import sys
from pathlib import Path
from typing import Final

import truststore

from scrapekit.errors import ConfigError
from scrapekit.http.terms import Trust

SYSTEM: Final = Trust()
_WHY: Final = {"KEY_VALUES_MISMATCH": "does not belong to the certificate"}


def context_of(trust: Trust, *, http2: bool) -> ssl.SSLContext:
    """A context for those who trust so. Raises ConfigError, whose key is that of the setting, for a bad file.

    Reads files: it takes some 20 ms.
    """
    context = _trusting_the_system()
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 8996
    context.hostname_checks_common_name = False  # RFC 9525 §2
    context.set_alpn_protocols(["h2", "http/1.1"] if http2 else ["http/1.1"])
    if trust.ca_file:
        _believe(context, trust.ca_file)
    if trust.certificate or trust.key:
        _show(context, trust.certificate, trust.key)
    if not trust.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        # Otherwise a weak key is refused though nobody looks at whose it is.
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
    return context


def _believe(context: ssl.SSLContext, file: str, setting: str = "ca_file") -> None:
    """Trust the certificates of a file too."""
    _read(file, setting)
    try:
        context.load_verify_locations(file)
    except ssl.SSLError:
        raise ConfigError(f"{file} holds no certificate in PEM", key=setting) from None


def _show(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """Have a certificate for servers that want one; without a key, it stands in the same file."""
    if not certificate:
        raise ConfigError("a key is of no use without its certificate", key="key", hint="give certificate as well")
    setting, file = ("key", key) if key else ("certificate", certificate)
    _believe(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), certificate, "certificate")  # only to see that it is one
    if b"PRIVATE KEY-----" not in _read(file, setting):
        hint = None if key else "if it is in a file of its own, give key"
        raise ConfigError(f"{file} holds no private key in PEM", key=setting, hint=hint)
    asked: list[bool] = []

    def passphrase() -> str:  # without it OpenSSL would ask at the terminal
        asked.append(True)
        return ""

    try:
        context.load_cert_chain(certificate, key or None, password=passphrase)
    except ssl.SSLError as error:
        why = (
            "is locked with a passphrase" if asked else _WHY.get(error.reason or "", f"cannot be used: {error.reason}")
        )
        raise ConfigError(f"the key of {file} {why}", key=setting) from None


def _read(file: str, setting: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError(f"cannot read {file}: {why}", key=setting) from None


def _trusting_the_system() -> ssl.SSLContext:
    """A context with the system's trust.

    Where OpenSSL finds it in a file, that is read once. truststore, which asks macOS and Windows and knows more places,
    reads it again for each connection: 20 ms in which nothing else runs.
    """
    if sys.platform in ("darwin", "win32") or not ssl.get_default_verify_paths().cafile:
        context: ssl.SSLContext = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        return context
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_default_certs()
    return context
