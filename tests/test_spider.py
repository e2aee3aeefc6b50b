"""What a spider's class declares, and which callbacks can be stored."""

from __future__ import annotations

import functools
import types

import pytest

from scrapekit import Failure, Request, Response, Spider
from scrapekit.errors import BadURL, CallbackError, ConfigError
from scrapekit.spider import allowed_hosts, callback_name


def renamed(function):
    def wrapper(self, response):
        return function(self, response)

    return wrapper


class Plain(Spider):
    name = "plain"

    def parse_page(self, response):
        yield {}

    parse_alias = parse_page

    @renamed
    def parse_decorated(self, response):
        yield {}

    def __hidden(self, response):
        yield {}

    def hidden(self):
        return self.__hidden

    @property
    def trap(self):
        raise AssertionError("a property was read")


# ---- defined ----


@pytest.mark.parametrize("body", [{}, {"name": ""}, {"name": "  "}, {"name": 5}, {"name": None}])
def test_a_spider_without_a_name_fails_when_it_is_defined(body):
    with pytest.raises(TypeError, match="spider Nameless needs a name, such as: name = 'nameless'"):
        type("Nameless", (Spider,), body)


def test_a_class_meant_as_a_base_needs_no_name_but_what_is_made_of_it_does():
    class Base(Spider, abstract=True):
        pass

    with pytest.raises(TypeError, match="needs a name"):

        class Nameless(Base):
            pass

    class Named(Base):
        name = "named"


@pytest.mark.parametrize("field", ["start_urls", "allowed_domains", "accept_status"])
@pytest.mark.parametrize("value", ["https://example.com/", 404, b"a"])
def test_one_value_where_a_list_belongs_fails_when_the_class_is_defined(field, value):
    with pytest.raises(TypeError, match=f"spider Wrong: {field} is a list"):
        type("Wrong", (Spider,), {"name": "wrong", field: value})


def test_start_urls_may_be_a_property():
    class Dated(Spider):
        name = "dated"

        @property
        def start_urls(self):
            return ["https://example.com/2024"]

    assert [request.url for request in Dated().start()] == ["https://example.com/2024"]


# ---- made ----


def test_arguments_are_set_as_attributes_as_they_are():
    spider = Plain(year="2024", start_urls=["https://a.test/"])
    assert spider.year == "2024"
    assert [request.url for request in spider.start()] == ["https://a.test/"]
    assert Plain.start_urls == ()


def test_a_spider_says_what_it_is():
    assert repr(Plain()) == "<Plain 'plain'>"


def test_its_log_carries_its_name():
    assert Plain().log.name == "scrapekit.spider.plain"


# ---- starts ----


def test_it_starts_with_a_request_for_each_start_url():
    spider = Plain(start_urls=("https://a.test", "https://b.test/x#y"))
    requests = list(spider.start())
    assert [request.url for request in requests] == ["https://a.test/", "https://b.test/x"]
    assert all(type(request) is Request and request.callback is None for request in requests)
    assert list(Plain().start()) == []


def test_start_urls_are_read_one_by_one():
    def endless():
        number = 0
        while True:
            yield f"https://a.test/{number}"
            number += 1

    start = Plain(start_urls=endless()).start()
    assert [next(start).url for _ in range(3)] == ["https://a.test/0", "https://a.test/1", "https://a.test/2"]


def test_one_str_for_start_urls_is_refused_on_the_instance_too():
    with pytest.raises(TypeError, match="start_urls is a list"):
        Plain(start_urls="https://a.test/").start()


def test_a_start_url_that_is_none_is_refused_by_name():
    with pytest.raises(BadURL, match=r"a\.test"):
        list(Plain(start_urls=["a.test"]).start())


# ---- what it does by default ----


def test_without_a_parse_method_the_message_says_so():
    with pytest.raises(NotImplementedError, match="spider 'plain' has no parse method"):
        Plain().parse(Response.from_html("https://a.test/", ""))


def test_the_hooks_let_everything_through():
    spider, request, item = Plain(), Request("https://a.test/"), {"a": 1}
    assert spider.prepare(request) is request
    assert spider.accept(item) is item
    assert (spider.opened(), spider.closed("finished"), spider.errback(Failure(request, CallbackError("x")))) == (
        None,
        None,
        None,
    )


def test_a_failure_without_an_answer_has_none():
    assert Failure(Request("https://a.test/"), CallbackError("x")).response is None


# ---- allowed domains ----


def test_domains_are_compared_in_their_canonical_spelling():
    spider = Plain(allowed_domains=["Example.COM", ".b.test", "münchen.de", "c.test:8080", "d.test."])
    assert allowed_hosts(spider) == ("example.com", "b.test", "xn--mnchen-3ya.de", "c.test:8080", "d.test")
    assert allowed_hosts(Plain()) == ()


@pytest.mark.parametrize("wrong", ["https://example.com/", "example.com/path", "*.example.com", "", 5, None])
def test_what_is_no_domain_is_refused_before_the_crawl(wrong):
    with pytest.raises(ConfigError, match="<Plain 'plain'>: allowed_domains"):
        allowed_hosts(Plain(allowed_domains=[wrong]))


def test_one_domain_alone_is_refused_before_the_crawl():
    with pytest.raises(ConfigError, match="allowed_domains is a list, not 'example.com' alone"):
        allowed_hosts(Plain(allowed_domains="example.com"))


# ---- callbacks ----


def test_none_is_the_default():
    assert callback_name(Plain(), None) == "parse"
    assert callback_name(Plain(), None, "errback") == "errback"


def test_a_method_or_its_name_is_stored_as_the_name():
    spider = Plain()
    assert callback_name(spider, "parse_page") == "parse_page"
    assert callback_name(spider, spider.parse_page) == "parse_page"
    assert callback_name(spider, spider.parse_alias) == "parse_page"


def test_a_method_that_has_another_name_than_its_own_is_found():
    spider = Plain()
    assert callback_name(spider, spider.parse_decorated) == "parse_decorated"
    name = callback_name(spider, spider.hidden())
    assert getattr(spider, name) == spider.hidden()


def foreign(response):
    return None


def parse_page(spider, response):
    return None


@pytest.mark.parametrize(
    "make",
    [
        lambda spider: lambda response: None,
        lambda spider: foreign,
        lambda spider: Plain().parse_page,
        lambda spider: Plain.parse_page,
        lambda spider: [].append,
        lambda spider: functools.partial(spider.parse_page, 1),
        lambda spider: types.MethodType(foreign, spider),
        lambda spider: types.MethodType(parse_page, spider),
    ],
    ids=["lambda", "function", "another's", "unbound", "builtin", "partial", "lent", "lent under a name that exists"],
)
def test_what_is_not_a_method_of_this_spider_is_refused(make):
    spider = Plain()
    with pytest.raises(CallbackError, match="is not a method of <Plain 'plain'>; it must be one, or its name"):
        callback_name(spider, make(spider))


@pytest.mark.parametrize("name", ["parse_nothing", "name", "", "start_urls"])
def test_a_name_without_a_method_is_refused(name):
    with pytest.raises(CallbackError, match=f"<Plain 'plain'> has no method '{name}'"):
        callback_name(Plain(), name)


@pytest.mark.parametrize("value", [None, 3, ["change"], True])
def test_the_field_for_changes_is_a_name(value):
    with pytest.raises(TypeError, match="changes is the name of a field"):
        type("Wrong", (Spider,), {"name": "wrong", "changes": value})
