from __future__ import annotations

import signal
from urllib.request import urlopen


def test_the_shop_alone_is_served_until_ctrl_c(start):
    process = start("demo", "--serve", "--port", "0")
    url = process.stdout.readline().split()[4]
    with urlopen(url) as page:
        assert b"<title>" in page.read()
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=10) == ("", "")
    assert process.returncode == 0
