"""Which addresses are none of the open net."""

from __future__ import annotations

import pytest

from scrapekit.private import is_private, is_private_host

PRIVATE = """
0.0.0.0 0.1.2.3 10.0.0.0 10.255.255.255 100.64.0.0 100.127.255.255 127.0.0.1 127.255.255.255 169.254.169.254
172.16.0.0 172.31.255.255 192.0.0.1 192.0.2.1 192.168.0.0 192.168.255.255 198.18.0.0 198.19.255.255 198.51.100.9
203.0.113.9 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
:: ::1 ::2 fc00::1 fd00:ec2::254 fe80::1 fe80::1%eth0 febf::1 fec0::1 ff02::1 100::1 64:ff9b:1::1 5f00::1 4000::1
2001::1 2001:2::1 2001:10::1 2001:20::1 2001:db8::1 3fff::1
::ffff:127.0.0.1 ::ffff:7f00:1 ::ffff:10.0.0.1 ::ffff:a9fe:a9fe ::127.0.0.1 ::10.0.0.1 ::ffff:0:127.0.0.1
2002:7f00:1:: 2002:a00:1::1 2002:a9fe:a9fe:: 64:ff9b::7f00:1 64:ff9b::10.0.0.1 64:ff9b::a9fe:a9fe
2001:0:4136:e378:8000:63bf:80ff:fffe 2001:0:7f00:1:8000:63bf:f7f7:f7f7 2001:0:4136:e378:8000:63bf:3fff:fdd2
""".split()  # noqa: SIM905

PUBLIC = """
1.1.1.1 9.255.255.255 11.0.0.0 44.0.0.1 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 169.253.255.255
169.255.0.0 172.15.255.255 172.32.0.0 192.0.1.1 192.0.3.1 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0
223.255.255.255
2606:4700::1111 2a00::1 2001:200::1 2001:4860:4860::8888 2620:fe::fe 3ffe:ffff::1
::ffff:1.1.1.1 ::1.1.1.1 2002:101:101:: 64:ff9b::8.8.8.8 2001:0:4136:e378:8000:63bf:f7f7:f7f7
""".split()  # noqa: SIM905


@pytest.mark.parametrize("ip", PRIVATE)
def test_it_is_none_of_the_open_net(ip):
    assert is_private(ip)


@pytest.mark.parametrize("ip", PUBLIC)
def test_it_is_on_the_open_net(ip):
    assert not is_private(ip)


@pytest.mark.parametrize("text", ["", "a.test", "1.2.3", "256.1.1.1", "::1::"])
def test_what_is_no_address_is_not_connected_to(text):
    assert is_private(text)


@pytest.mark.parametrize(
    ("host", "private"),
    [
        ("localhost", True),
        ("localhost.", True),
        ("a.localhost", True),
        ("127.0.0.1", True),
        ("[::1]", True),
        ("::1", True),
        ("::ffff:7f00:1", True),
        ("44.0.0.1", False),
        ("[2606:4700::1111]", False),
        ("example.com", False),
        ("localhost.example.com", False),
        ("10.example.com", False),
        ("10.0.0.1.example.com", False),
    ],
)
def test_a_host_is_private_by_its_spelling_or_it_is_not_known(host, private):
    assert is_private_host(host) is private
