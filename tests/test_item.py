"""Items are read as their fields declare, and one that does not validate costs nothing but itself."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Annotated, Any

import pytest
from pydantic import AliasPath, AnyUrl, BaseModel, Field, HttpUrl, ValidationError, field_validator

from scrapekit.errors import BadSelector, ItemError
from scrapekit.item import Item, css
from scrapekit.response import Response

URL = "https://shop.test/list/page.html"


def page(html: str) -> Response:
    return Response.from_html(URL, html)


def one(annotation: Any, field: Any, html: str) -> Any:
    """The value of a field of that type in a page that holds one item."""
    model = type("One", (Item,), {"__annotations__": {"value": annotation}, "value": field, "__module__": __name__})
    response = page(html)
    item = response.item(model)
    assert item is not None, response.rejected
    return item.value


class Quote(Item, root="div.quote"):
    text: str = css("span.text")
    author: str = css("small.author")
    tags: list[str] = css("a.tag")


QUOTES = """
<div class="quote"><span class="text">To be</span><small class="author">W. S.</small>
  <a class="tag">one</a> <a class="tag">two</a></div>
<div class="quote"><span class="text">Nobody said this</span></div>
<div class="quote"><span class="text">I am</span><small class="author">R. D.</small></div>
"""


def test_items_come_in_document_order_and_a_rejected_one_does_not_cost_its_siblings() -> None:
    response = page(QUOTES)
    assert list(response.items(Quote)) == [
        Quote(text="To be", author="W. S.", tags=["one", "two"]),
        Quote(text="I am", author="R. D.", tags=[]),
    ]
    (error,) = response.rejected
    assert isinstance(error, ItemError)
    assert (error.model, error.field, error.selector, error.url) == ("Quote", "author", "small.author", URL)
    assert error.snippet == '<div class="quote"><span class="text">Nobody said this</span></div>'
    assert "no match" in str(error)


def test_what_matched_nothing_is_counted_by_field_and_by_root() -> None:
    response = page(QUOTES)
    list(response.items(Quote))
    assert response.misses == {"Quote.author small.author": 1, "Quote.tags a.tag": 1}
    empty = page("<p>none")
    assert list(empty.items(Quote)) == []
    assert empty.item(Quote) is None
    assert empty.misses == {"Quote div.quote": 2}


def test_a_snippet_is_the_first_200_characters_of_the_node() -> None:
    response = page(f'<div class="quote">{"x" * 500}</div>')
    assert response.item(Quote) is None
    assert response.rejected[0].snippet == ('<div class="quote">' + "x" * 500)[:200]


def test_item_is_the_first_one_or_none_if_that_is_rejected() -> None:
    assert page(QUOTES).item(Quote) == Quote(text="To be", author="W. S.", tags=["one", "two"])
    response = page(QUOTES[QUOTES.index("Nobody") - len('<div class="quote"><span class="text">') :])
    assert response.item(Quote) is None
    assert len(response.rejected) == 1


@pytest.mark.parametrize(
    ("annotation", "field", "html", "value"),
    [
        (str, css("b"), "<b> a \n b\xa0c </b>", "a b c"),
        (str, css("b"), "<b>1</b><b>2</b>", "1"),
        (list[str], css("b"), "<b>1</b><b>2</b>", ["1", "2"]),
        (list[str], css("b, [id]"), "<b id=x>1</b><b>2</b>", ["1", "2"]),
        (set[int], css("b"), "<b>1</b><b>2</b><b>1</b>", {1, 2}),
        (tuple[int, ...], css("b"), "<b>1</b><b>2</b>", (1, 2)),
        (Sequence[int], css("b"), "<b>1</b><b>2</b>", [1, 2]),
        (list[int] | None, css("b"), "<b>1</b><b>2</b>", [1, 2]),
        (list[int | None], css("b"), "<b>1</b>", [1]),
        (str, css("a", attr="title"), "<a title=' x  y '>", " x  y "),
        (list[str], css("a", "title"), "<a>no</a><a title=t><a title>", ["t", ""]),
        (bool, css("input", attr="value"), "<input value=yes>", True),
        (Decimal, css("i", re=r"[\d.]+"), "<i>£51.77</i>", Decimal("51.77")),
        (int, css("i", re=r"\((\d+) available\)"), "<i>In stock (22 available)</i>", 22),
        (list[int], css("i", re=r"\d+"), "<i>a7</i><i>b</i><i>8</i>", [7, 8]),
        (str, css("i", re="x"), "<i>x</i>", "x"),
        (date, css("time", "datetime"), "<time datetime=2024-02-29>", date(2024, 2, 29)),
        (str | None, css("u"), "", None),
        (Annotated[int | None, Field(gt=0)], css("u"), "", None),
        (Any, css("u"), "", None),
        (int, css("u", default=7), "", 7),
        (int | None, css("u", default=7), "", 7),
        (list[str], css("u"), "", []),
        (list[str] | None, css("u"), "", None),
        (list[str], css("u", default=["d"]), "", ["d"]),
        (str, css("u"), "<u></u>", ""),
    ],
)
def test_a_value_is_taken_as_the_field_declares(annotation: Any, field: Any, html: str, value: Any) -> None:
    assert one(annotation, field, html) == value


@pytest.mark.parametrize(
    ("field", "html"),
    [
        (css("u"), "<b>x</b>"),
        (css("a", "title"), "<a>the first one counts</a><a title=t>"),
        (css("i", re="x"), "<i>y</i>"),
        (css("i", re=re.compile(r"(?:a|(b))(\d)?")), "<i>a7</i>"),  # it matches, but its first group does not
    ],
)
def test_a_missing_node_attribute_or_pattern_rejects_an_item_that_needs_it(field: Any, html: str) -> None:
    with pytest.raises(AssertionError, match="no match"):
        one(str, field, html)
    assert one(str | None, css("u", default=None), html) is None


@pytest.mark.parametrize(
    ("annotation", "field", "html", "value"),
    [
        (HttpUrl, css("a", attr="href"), "<a href=../x?q>", "https://shop.test/x?q"),
        (HttpUrl | None, css("a", attr="href"), "<a href=x>", "https://shop.test/list/x"),
        (AnyUrl, css("img"), "<img src=/i.png>", "https://shop.test/i.png"),
        (HttpUrl, css("a"), "<a href=/x>http://other.test/</a>", "https://shop.test/x"),
        (HttpUrl, css("p"), "<p> http://other.test </p>", "http://other.test/"),
        (HttpUrl, css("a"), "<base href=//cdn.test/d/><a href=x>", "https://cdn.test/d/x"),
        (HttpUrl, css("a", re="u=(.*)", attr="href"), "<a href='/go?u=/y'>", "https://shop.test/y"),
        (str, css("a", attr="href"), "<a href=../x>", "../x"),
        (AnyUrl, css("a", attr="href"), "<a href=mailto:me@shop.test>", "mailto:me@shop.test"),
    ],
)
def test_a_field_of_a_url_type_is_absolute_and_a_str_is_what_the_page_says(
    annotation: Any, field: Any, html: str, value: str
) -> None:
    assert str(one(annotation, field, html)) == value


def test_urls_in_a_list_are_absolute() -> None:
    assert [str(url) for url in one(list[HttpUrl], css("a"), "<a href=1></a><a href=2></a>")] == [
        "https://shop.test/list/1",
        "https://shop.test/list/2",
    ]


class Book(Item, root="article"):
    title: str = css("h3")
    price: Decimal = css("p.price", re="£(.*)")
    stock: int = css("p.stock", default=0)


def test_a_found_value_that_does_not_convert_names_field_selector_and_value() -> None:
    response = page("<article><h3>T</h3><p class=price>£ask</p><p class=stock>many</p></article>")
    assert response.item(Book) is None
    (error,) = response.rejected
    assert (error.field, error.selector) == ("price", "p.price")
    assert "decimal" in error.message
    assert "'ask'" in error.message
    assert "also wrong: stock" in error.message
    assert error.snippet.startswith("<article><h3>T</h3>")


def test_made_by_hand_every_field_without_a_default_is_required() -> None:
    assert Book(title="T", price=Decimal(1)).stock == 0
    with pytest.raises(ValidationError, match="title"):
        Book(price=1)  # type: ignore[call-arg]
    with pytest.raises(ValidationError, match="tags"):
        Quote(text="", author="")  # type: ignore[call-arg]


def test_known_fills_what_the_page_does_not_hold_and_goes_before_the_selector() -> None:
    class Seen(Item, root="p"):
        name: str = css("b")
        url: str
        rank: int = 3

    assert list(page("<p><b>x</b></p>").items(Seen, url=URL)) == [Seen(name="x", url=URL, rank=3)]
    assert page("<p>").item(Seen, url=URL, name="given") == Seen(name="given", url=URL)
    with pytest.raises(TypeError, match="Seen has no field 'colour'"):
        list(page("<p>").items(Seen, colour="red"))
    response = page("<p><b>x</b></p>")
    assert response.item(Seen) is None
    assert response.rejected[0].field == "url"


def test_an_empty_query_is_the_node_itself() -> None:
    class Tag(Item, root="a"):
        name: str = css()
        href: str = css(attr="href")

    assert page("<a href=/t>tag</a>").item(Tag) == Tag(name="tag", href="/t")


def test_without_a_root_the_page_is_one_item() -> None:
    class Head(Item):
        title: str = css("title")
        lang: str = css("html", attr="lang")

    assert list(page("<html lang=en><title>T</title>").items(Head)) == [Head(title="T", lang="en")]


class Author(Item, root="address"):
    name: str = css("b")
    age: int | None = css("i")


class Post(Item, root="section"):
    title: str = css("h2")
    author: Author
    others: list[Author] = css("ul.others")
    editor: Author | None = css("div.editor")


def test_nested_items_are_found_by_their_own_root_within_the_node() -> None:
    html = """<address><b>outside</b></address><section><h2>T</h2><address><b>A</b></address>
      <ul class=others><li><address><b>B</b><i>7</i></address><li><address>no name</address>
      <li><address><b>C</b></address></ul></section>"""
    response = page(html)
    assert response.item(Post) == Post(
        title="T",
        author=Author(name="A", age=None),
        others=[Author(name="B", age=7), Author(name="C", age=None)],
        editor=None,
    )
    assert [(error.model, error.field) for error in response.rejected] == [("Author", "name")]


def test_a_nested_item_that_is_needed_and_does_not_validate_rejects_the_whole() -> None:
    response = page("<section><h2>T</h2><address>nameless</address></section>")
    assert response.item(Post) is None
    assert [(error.model, error.field) for error in response.rejected] == [("Author", "name")]


class Comment(Item, root="div.c"):
    text: str = css("p")
    replies: list[Comment]


def test_an_item_within_itself_takes_the_next_level_only() -> None:
    html = (
        "<main><div class=c><p>1</p><div class=c><p>1.1</p><div class=c><p>1.1.1</p></div></div><div class=c><p>1.2</p>"
    )
    first = page(html).item(Comment)
    assert first == Comment(
        text="1",
        replies=[
            Comment(text="1.1", replies=[Comment(text="1.1.1", replies=[])]),
            Comment(text="1.2", replies=[]),
        ],
    )


def test_a_class_may_name_one_that_comes_later() -> None:
    class Shelf(Item, root="ul"):
        books: list[Later]

    class Later(Item, root="li"):
        name: str = css()

    Shelf.model_rebuild(_types_namespace={"Later": Later})
    assert page("<ul><li>a<li>b</ul>").item(Shelf) == Shelf(books=[Later(name="a"), Later(name="b")])


def test_subclasses_inherit_root_and_fields_and_may_change_both() -> None:
    class Dear(Book):
        title: str = css("h4")
        currency: str = "GBP"

    class Cheap(Book, root="aside"):
        price: Decimal | None = None  # type: ignore[assignment]

    html = "<article><h3>A</h3><h4>B</h4><p class=price>£1</p></article><aside><h3>C</h3></aside>"
    assert page(html).item(Dear) == Dear(title="B", price=Decimal(1), stock=0, currency="GBP")
    assert page(html).item(Cheap) == Cheap(title="C", price=None, stock=0)
    assert page(html).item(Book) == Book(title="A", price=Decimal(1), stock=0)


def test_aliases_validators_and_configuration_are_pydantic_s() -> None:
    class Strange(Item, root="p", frozen=True, str_to_upper=True):
        name: Annotated[str, Field(alias="theName")] = css("b")
        deep: Annotated[str, Field(validation_alias=AliasPath("x", "y"))] = css("b")

        @field_validator("name")
        @classmethod
        def no_x(cls, value: str) -> str:
            if value == "X":
                raise ValueError("x is not a name")
            return value

    response = page("<p><b>a</b></p><p><b>x</b></p>")
    (item,) = response.items(Strange)
    assert (item.name, item.deep) == ("A", "A")
    assert item.model_config["frozen"] is True
    assert response.rejected[0].field == "name"
    assert "x is not a name" in response.rejected[0].message


@pytest.mark.parametrize("query", ["a[", "a:frob", "a::text", ">", "a,,b", " "])
def test_a_wrong_selector_is_refused_when_the_class_is_made(query: str) -> None:
    with pytest.raises(BadSelector, match=r"Wrong\.field") as caught:

        class Wrong(Item):
            field: str = css(query)

    assert caught.value.query == query
    with pytest.raises(BadSelector, match="Wrong root"):

        class Wrong(Item, root=query):  # type: ignore[no-redef]
            field: str = css("b")


def test_a_wrong_pattern_is_refused_when_the_class_is_made() -> None:
    with pytest.raises(BadSelector, match=r"Wrong\.field.*not a regular expression"):

        class Wrong(Item):
            field: str = css("b", re="(")


def test_an_item_in_itself_without_root_or_query_is_refused() -> None:
    class Loop(Item):
        again: Loop | None

    Loop.model_rebuild(_types_namespace={"Loop": Loop})
    with pytest.raises(BadSelector, match=r"Loop\.again"):
        page("").item(Loop)


def test_only_items_can_be_read_from_a_page() -> None:
    class Plain(BaseModel):
        x: int = 1

    with pytest.raises(TypeError, match="not an Item"):
        page("").item(Plain)  # type: ignore[type-var]


def test_items_and_rejections_do_not_keep_the_tree_alive() -> None:
    response = page(QUOTES)
    items = list(response.items(Quote))
    tree = response.tree
    response.release()
    assert (len(items), len(response.rejected)) == (2, 1)
    assert sys.getrefcount(tree) <= 2  # this variable, and the argument
