"""h2 as it is used here: our settings told to the peer, and fields judged by nobody but us.

Knows no streams and no frames.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import h2.config
import h2.connection
import h2.settings
import hpack

from scrapekit.http.terms import Sizes

#: Bytes that one stream may send before somebody takes them: 10 MB/s at a round trip of 100 ms.
STREAM_WINDOW: Final = 1024 * 1024
#: And all streams of a connection, so that one which nobody reads does not stop the rest.
WINDOW: Final = 8 * 1024 * 1024


class Decoder(hpack.Decoder):
    """Keeps the fields of the last head for us, and hands h2 the status alone.

    What is wrong with a field is one stream's fault, for which h2 would end the connection.
    """

    fields: Sequence[tuple[bytes, bytes]] = ()

    def decode(self, data: bytes, raw: bool = False) -> Iterable[Any]:
        self.fields = list(super().decode(data, raw=True))
        return [hpack.HeaderTuple(*field) for field in self.fields[:1] if field[0] == b":status"]


def engine_of(sizes: Sizes) -> tuple[h2.connection.H2Connection, Decoder]:
    """h2, with our settings told to the peer; fields are judged by us, both ways."""
    codes = h2.settings.SettingCodes
    engine = h2.connection.H2Connection(
        h2.config.H2Configuration(
            client_side=True,
            header_encoding=None,
            validate_inbound_headers=False,
            normalize_inbound_headers=False,
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
        )
    )
    engine.local_settings = h2.settings.Settings(
        client=True,
        initial_values={
            codes.ENABLE_PUSH: 0,
            codes.INITIAL_WINDOW_SIZE: STREAM_WINDOW,
            codes.MAX_HEADER_LIST_SIZE: inflated(sizes),
        },
    )
    decoder = engine.decoder = Decoder(max_header_list_size=inflated(sizes))
    engine.initiate_connection()
    engine.increment_flow_control_window(WINDOW - engine.inbound_flow_control_window)
    engine.max_inbound_frame_size = 2**24 - 1  # heads come to it in one piece; frames are measured here
    return engine, decoder


def inflated(sizes: Sizes) -> int:
    """A head's limit as HTTP/2 counts it: 32 bytes are added for each field (RFC 9113 §6.5.2)."""
    return sizes.max_head + 32 * sizes.max_fields
