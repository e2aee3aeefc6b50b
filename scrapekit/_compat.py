"""Let curio 1.6 be imported on Python 3.12 and later.

curio reads four names that the standard library has since renamed or removed, all of them at import time and none of
them on a path that scrapekit takes. They are lent to the standard modules while curio is imported, and taken away
again, so that no other library ever sees them.
"""

from __future__ import annotations

import multiprocessing.connection
import ssl
from typing import Any, Final

#   module                       name curio reads   what stands in for it
_LOANS: Final[tuple[tuple[Any, str, Any], ...]] = (
    (multiprocessing.connection, "CHALLENGE", b"#CHALLENGE#"),
    (multiprocessing.connection, "WELCOME", b"#WELCOME#"),
    (multiprocessing.connection, "FAILURE", b"#FAILURE#"),
    (ssl, "wrap_socket", ssl.SSLContext.wrap_socket),
)


def import_curio() -> None:
    """Import curio, with the names that it misses lent for that moment."""
    lent = [(module, name) for module, name, _ in _LOANS if not hasattr(module, name)]
    for module, name, value in _LOANS:
        if (module, name) in lent:
            setattr(module, name, value)
    try:
        import curio
        import curio.ssl  # noqa: F401
    finally:
        for module, name in lent:
            delattr(module, name)


import_curio()
