"""Credentials as the settings have them: the scheme, and where each secret is. The secret itself never stands there.

So settings can be shown, logged, kept with a run and pasted into a bug report. No message here repeats a value that was
given: somebody may have put the secret in the wrong place.

Pure but for ``Secret.read``. Does not know to whom credentials are sent (``credentials.py``).
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Union

from scrapekit.errors import ConfigError

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
#: RFC 6750 §2.1 allows fewer; what is no space and no control character can stand in a field.
_TOKEN: Final = re.compile(r"[\x21-\x7e]+")
#: scheme               the keys it wants beside ``scheme`` and ``insecure``
_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "basic": ("username", "password"),
    "bearer": ("token",),
    "none": (),
}
_WHERE: Final = '{ env = "NAME" } or { file = "secret.txt" }'
_MOST: Final = 65_536  # bytes of a secret's file; more is another file


@dataclass(frozen=True, slots=True)
class Secret:
    """Where a secret is: in a variable of the environment, or in a file."""

    env: str = ""
    file: str = ""

    def written(self) -> dict[str, str]:
        """As a table of the settings."""
        return {"env": self.env} if self.env else {"file": self.file}

    def read(self, environment: Mapping[str, str], root: Path) -> str:
        """The secret itself; a file's path begins at ``root``, and its last line end is none of it.

        Raises ConfigError that names the variable or the file, and never what is in it.
        """
        text = self._variable(environment) if self.env else self._content(root / self.file)
        if not text:
            raise ConfigError(f"{self._place(root)} is empty")
        if _CONTROL.search(text):
            raise ConfigError(f"{self._place(root)} holds more than one line, or a control character")
        return text

    def _place(self, root: Path) -> str:
        return f"{self.env} in the environment" if self.env else str(root / self.file)

    def _variable(self, environment: Mapping[str, str]) -> str:
        if self.env not in environment:
            raise ConfigError(f"{self.env} is not set in the environment")
        return environment[self.env]

    def _content(self, path: Path) -> str:
        try:
            with path.open("rb") as file:
                data = file.read(_MOST + 1)
            if len(data) > _MOST:
                raise ConfigError(f"{path} is too large for a secret")
            return data.decode("utf-8-sig").removesuffix("\n").removesuffix("\r")
        except OSError as error:
            raise ConfigError(f"cannot read {path}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise ConfigError(f"{path} is not UTF-8") from None


@dataclass(frozen=True, slots=True)
class Auth:
    """How to authenticate at a host. ``username`` may be a secret as well; ``insecure`` lets it go out unencrypted."""

    scheme: str
    username: str | Secret = ""
    secret: Secret = Secret()
    insecure: bool = False

    def written(self) -> dict[str, Any]:
        """As a table of the settings."""
        table: dict[str, Any] = {"scheme": self.scheme}
        values = {"basic": (self.username, self.secret), "bearer": (self.secret,)}.get(self.scheme, ())
        for key, value in zip(_KEYS[self.scheme], values, strict=True):
            table[key] = value.written() if isinstance(value, Secret) else value
        return table | {"insecure": True} if self.insecure else table

    def field(self, environment: Mapping[str, str], root: Path) -> str:
        """What Authorization says (RFC 7617, RFC 6750), nothing for the scheme none. Raises ConfigError."""
        if self.scheme == "none":
            return ""
        secret = self.secret.read(environment, root)
        if self.scheme == "bearer":
            if not _TOKEN.fullmatch(secret):
                raise ConfigError("the token holds a character that no token has")
            return f"Bearer {secret}"
        name = self.username.read(environment, root) if isinstance(self.username, Secret) else self.username
        if ":" in name:
            raise ConfigError("a user name has no colon (RFC 7617)")
        return "Basic " + b64encode(f"{name}:{secret}".encode()).decode("ascii")


def parse_auth(value: object) -> Auth | None:
    """The setting ``auth``. Raises ValueError."""
    if value is None or isinstance(value, Auth):
        return value
    if not isinstance(value, Mapping):
        raise ValueError('must be a table, such as { scheme = "bearer", token = { env = "API_TOKEN" } }')
    scheme, insecure = value.get("scheme"), value.get("insecure", False)
    wanted = _KEYS.get(scheme) if isinstance(scheme, str) else None
    if wanted is None:
        raise ValueError(f"must have a scheme that is one of {', '.join(_KEYS)}")
    if set(value) - {"insecure"} != {"scheme", *wanted}:
        raise ValueError(f"must have {_listed(('scheme', *wanted))}, and nothing else but insecure")
    if type(insecure) is not bool:
        raise ValueError("must have true or false for insecure")
    name = _username(value["username"]) if scheme == "basic" else ""
    secret = _secret(value[wanted[-1]], wanted[-1]) if wanted else Secret()
    return Auth(str(scheme), name, secret, insecure)


def _username(value: object) -> Union[str, Secret]:
    if not isinstance(value, str):
        return _secret(value, "username")
    if not value or ":" in value or _CONTROL.search(value):
        raise ValueError("must have a username without colon and control characters (RFC 7617)")
    return value


def _secret(value: object, key: str) -> Secret:
    if isinstance(value, str):
        raise ValueError(f"must say where the {key} is, as {_WHERE}; here it would be read by everybody")
    if not isinstance(value, Mapping) or len(value) != 1 or not all(isinstance(each, str) for each in value.values()):
        raise ValueError(f"must say where the {key} is, as {_WHERE}")
    (kind, place), *_ = value.items()
    if kind == "env" and _NAME.fullmatch(place):
        return Secret(env=place)
    if kind == "file" and place and not _CONTROL.search(place):
        return Secret(file=place)
    raise ValueError(f"must say where the {key} is, as {_WHERE}, by the name of a variable or a file")


def _listed(words: tuple[str, ...]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else words[0]
