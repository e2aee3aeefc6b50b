"""What is installed only where it is asked for."""

from __future__ import annotations

from importlib.util import find_spec

from scrapekit.errors import ConfigError


def need_http2() -> None:
    """Raises ConfigError where ``http2 = true`` and the library for it is missing."""
    if find_spec("h2") is None:
        raise ConfigError(
            "HTTP/2 cannot be spoken: h2 is not installed", key="http2", hint="pip install 'polite-scrapekit[http2]'"
        )
