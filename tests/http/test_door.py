"""One opens, the others wait."""

from __future__ import annotations

import curio
import pytest

from scrapekit.errors import ConnectFailed, FetchTimeout
from scrapekit.http.door import Door
from scrapekit.testing import VirtualClock


@pytest.mark.parametrize(("opens", "ends"), [(3.0, 3.0), (9.9, 9.9)])
def test_who_waits_goes_on_when_it_opens(run, opens, ends):
    clock = VirtualClock()

    async def main():
        door, begin = Door(), clock.now
        task = await curio.spawn(door.wait, 10.0)
        await curio.sleep(opens)
        await door.open()
        await task.join()
        assert clock.now - begin == pytest.approx(ends)
        await door.wait(10.0)  # and whoever comes late

    run(main, clock=clock)


def test_who_waits_too_long_is_told(run):
    async def main():
        with pytest.raises(FetchTimeout, match="no connection after 10 s") as caught:
            await Door().wait(10.0)
        assert caught.value.phase == "connect"

    run(main, clock=VirtualClock())


def test_the_error_of_the_one_who_opens_is_everybody_s_own(run):
    async def main():
        door = Door()
        door.error = ConnectFailed("refused", address="192.0.2.1:443", phase="connect")
        await door.open()
        errors = []
        for _ in range(2):
            with pytest.raises(ConnectFailed) as caught:
                await door.wait(1.0)
            errors.append(caught.value)
        assert [(str(error), error.address) for error in errors] == [(str(door.error), door.error.address)] * 2
        assert len({id(error) for error in [*errors, door.error]}) == 3

    run(main)
