"""What a request tells of the page on which its link was found, and in a crawl to whom it goes."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrapekit import Request, Settings, Spider
from scrapekit.crawler import prepare_crawl
from scrapekit.referer import DEFAULT, LONGEST, Policy, referer, referer_along
from scrapekit.testing import FakeNetwork, Page, VirtualClock
from scrapekit.url import canonical, origin_of

PAGE = "https://a.test/dir/page?q=1"
PLAIN = "http://a.test/dir/page?q=1"
HERE, THERE = "https://a.test/", "https://b.test/"

#: W3C Referrer Policy §8.3: what is told of PAGE, or of PLAIN, to whom.
TOLD = [
    # policy                            within  other origin  https to http  http to http  http to https
    ("no-referrer",                     "",     "",           "",            "",           ""),
    ("origin",                          HERE,   HERE,         HERE,          "http://a.test/", "http://a.test/"),
    ("same-origin",                     PAGE,   "",           "",            "",           ""),
    ("strict-origin",                   HERE,   HERE,         "",            "http://a.test/", "http://a.test/"),
    ("strict-origin-when-cross-origin", PAGE,   HERE,         "",            "http://a.test/", "http://a.test/"),
]  # fmt: skip


@pytest.mark.parametrize(("policy", "within", "other", "down", "plain", "up"), TOLD)
def test_each_policy_tells_as_much_as_the_standard_says(policy, within, other, down, plain, up):
    assert referer(policy, PAGE, "https://a.test/x") == within
    assert referer(policy, PAGE, PAGE) == within
    for target in ("https://b.test/", "https://sub.a.test/", "https://a.test:8443/", "https://a.test.b.test/"):
        assert referer(policy, PAGE, target) == other
    for target in ("http://a.test/", "http://b.test/x", "http://a.test:443/"):
        assert referer(policy, PAGE, target) == down
    assert referer(policy, PLAIN, "http://b.test/") == plain
    assert referer(policy, PLAIN, "https://a.test/dir/page") == up


def test_every_policy_is_in_the_table_and_browsers_own_is_the_default():
    assert [row[0] for row in TOLD] == list(get_args(Policy))
    assert Settings().limits.referer == DEFAULT == "strict-origin-when-cross-origin"


def test_user_name_password_and_fragment_are_never_told():
    assert referer(DEFAULT, "https://me:secret@A.test:443/x#part", "https://a.test/y") == "https://a.test/x"
    assert referer("origin", "https://me:secret@a.test:8443/x#part", "https://b.test/") == "https://a.test:8443/"


@pytest.mark.parametrize(
    "source", ["", "file:///etc/passwd", "data:text/html,x", "about:blank", "/x", None, "mailto:a"]
)
@pytest.mark.parametrize("policy", get_args(Policy))
def test_what_is_no_web_page_is_told_to_nobody(policy, source):
    assert referer(policy, source, "https://a.test/") == ""


def test_nothing_breaks_out_of_its_line():
    assert referer(DEFAULT, "https://a.test/\r\nX: y", "https://a.test/") == "https://a.test/X:%20y"
    assert referer(DEFAULT, "https://a.test/é", "https://a.test/") == "https://a.test/%C3%A9"


def test_this_machine_is_as_safe_as_https():
    assert referer(DEFAULT, PAGE, "http://localhost:8000/") == "https://a.test/"
    assert referer(DEFAULT, "http://127.0.0.1:8000/x", "http://a.test/") == ""
    assert referer(DEFAULT, "http://127.0.0.1:8000/x", "https://a.test/") == "http://127.0.0.1:8000/"


@pytest.mark.parametrize(("length", "whole"), [(LONGEST - 1, True), (LONGEST, True), (LONGEST + 1, False)])
def test_a_long_url_is_cut_to_its_origin(length, whole):
    source = "https://a.test/".ljust(length, "x")
    assert referer(DEFAULT, source, "https://a.test/") == (source if whole else "https://a.test/")


def test_what_was_held_back_on_a_way_stays_so():
    assert referer_along(DEFAULT, PAGE, (), "https://a.test/x") == PAGE
    assert referer_along(DEFAULT, PAGE, ("https://a.test/1",), "https://a.test/x") == PAGE
    assert referer_along(DEFAULT, PAGE, ("https://a.test/1",), "https://b.test/x") == HERE
    assert referer_along(DEFAULT, PAGE, ("https://b.test/1",), "https://a.test/x") == HERE
    assert referer_along(DEFAULT, PAGE, ("http://a.test/1",), "https://a.test/x") == ""


hosts = st.sampled_from(["a.test", "b.test", "a.test:8443", "localhost"])
urls = st.builds("{}://{}/{}".format, st.sampled_from(["http", "https"]), hosts, st.sampled_from(["", "x", "x?y=z"]))


@given(st.sampled_from(get_args(Policy)), urls, urls)
def test_no_more_is_told_than_the_page_and_to_others_its_origin(policy, source, target):
    told = referer(policy, source, target)
    if origin_of(source) == origin_of(target):
        assert told in ("", canonical(source), origin_of(source) + "/")
    else:
        assert told in ("", origin_of(source) + "/")
    if policy.startswith("strict") and source.startswith("https") and target.startswith("http://") and told:
        assert "localhost" in target


# ---- in a crawl ----


class Site(Spider):
    name = "site"
    start_urls = ["https://a.test/start"]

    def parse(self, response):
        for link in response.css("a"):
            url = response.urljoin(link.attrs["href"])
            own = link.attrs.get("title")
            yield Request(url) if own is None else Request(url, headers={"Referer": own})


@pytest.fixture
def told(run):
    """What a crawl of a network told each target."""

    def crawler(network, *sets):
        clock = VirtualClock()
        settings = Settings().overridden(["identity.contact=https://example.org/bot", "limits.delay=0", *sets])
        run(prepare_crawl(Site, settings, network=network, clock=clock).run, clock=clock)
        return {each.host + each.target: each.headers.get("referer") for each in network.log}

    return crawler


def network(links):
    start = "".join(f"<a href='{link}'>x</a>" for link in links)
    to_b = Page("", 302, [("Location", "https://b.test/end")])
    return FakeNetwork(
        {
            "https://a.test": {"/start": f"<h1>x</h1>{start}", "/x": "<a href=/y>y</a>", "/y": "", "/away": to_b},
            "https://b.test": {"/x": "", "/end": ""},
            "http://c.test": {"/x": ""},
        }
    )


LINKS = ["/x#part", "https://b.test/x", "http://c.test/x", "/away"]


def test_a_crawl_names_the_page_of_a_link_and_nothing_at_the_start_or_for_robots_txt(told):
    assert told(network(LINKS)) == {
        "a.test/robots.txt": None,
        "a.test/start": None,
        "a.test/x": "https://a.test/start",
        "a.test/y": "https://a.test/x",
        "b.test/robots.txt": None,
        "b.test/x": "https://a.test/",
        "c.test/robots.txt": None,
        "c.test/x": None,
        "a.test/away": "https://a.test/start",
        "b.test/end": "https://a.test/",
    }


def test_the_policy_is_a_setting_for_each_host_that_is_asked(told):
    found = told(network(LINKS), "limits.referer=no-referrer", 'hosts."b.test".referer=origin')
    assert {target: value for target, value in found.items() if value} == dict.fromkeys(
        ("b.test/x", "b.test/end"), HERE
    )


def test_a_policy_that_is_none_is_refused():
    with pytest.raises(Exception, match="referer"):
        Settings().overridden(["limits.referer=unsafe-url"])


def test_a_request_s_own_referer_stands_and_an_empty_one_is_not_sent(told):
    pages = {"/start": "<a href=/x title=https://else.test/>x</a><a href=/y title=''>y</a>", "/x": "", "/y": ""}
    assert told(FakeNetwork({"https://a.test": pages})) == {
        "a.test/robots.txt": None,
        "a.test/start": None,
        "a.test/x": "https://else.test/",
        "a.test/y": None,
    }


@pytest.mark.parametrize(("setting", "sent"), [("https://mine.test/", "https://mine.test/"), ("", None)])
def test_a_referer_in_the_settings_stands_and_an_empty_one_is_not_sent(told, setting, sent):
    found = told(network(["/x"]), f'limits.headers={{Referer = "{setting}"}}')
    assert found["a.test/x"] == found["a.test/start"] == sent
