"""What a response says of its page: text, nodes, links, and what to follow."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest

from scrapekit.content import Budget, Kept, Stored
from scrapekit.errors import BadResponse, BadSelector, BadStatus, BadURL
from scrapekit.headers import Headers
from scrapekit.links import Link
from scrapekit.request import Request
from scrapekit.response import Response
from scrapekit.url import canonical

URL = "https://site.test/a/b.html"
VECTORS = Path(__file__).resolve().parents[2] / "shared" / "data" / "links"


def page(html: str, **headers: str) -> Response:
    response = Response.from_html(URL, html)
    response.headers = response.headers.updated({name.replace("_", "-"): value for name, value in headers.items()})
    return response


def answer(body: bytes, content_type: str | None = None, status: int = 200) -> Response:
    return Response(URL, None, status, Headers({"Content-Type": content_type} if content_type else {}), body)


def followed(response: Response, *args: Any, **kwargs: Any) -> list[str]:
    return [request.url for request in response.follow_all(*args, **kwargs)]


# ---- the answer ----


def test_a_response_made_by_hand_needs_no_more_than_a_url() -> None:
    response = Response(URL)
    assert (response.status, response.body, response.text, response.title) == (200, b"", "", "")
    assert (response.elapsed, response.history, response.address, response.request) == (0.0, (), "", None)
    assert response.css("*") != []  # an empty page has its html, head and body
    assert response.css_first("a") is None
    assert response.links() == []
    assert repr(response) == f"<Response 200 {URL}>"


def test_text_and_encoding_are_those_of_the_declared_charset() -> None:
    response = answer("naïve".encode("latin-1"), "text/html; charset=latin1")
    assert (response.text, response.encoding) == ("naïve", "windows-1252")
    assert answer(b"<meta charset=koi8-r>\xc1").text.endswith("а")


def test_json_is_read_from_the_bytes_or_as_declared() -> None:
    assert answer(b'{"a": [1]}', "application/json").json() == {"a": [1]}
    assert answer('"é"'.encode("utf-16")).json() == "é"
    assert answer('"é"'.encode("latin-1"), "application/json; charset=latin1").json() == "é"


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe{", b"[" * 100_000])
def test_json_that_is_none_raises_bad_response(body: bytes) -> None:
    with pytest.raises(BadResponse, match="not JSON") as caught:
        answer(body).json()
    assert (caught.value.url, caught.value.phase) == (URL, "body")


def kept(*pieces: bytes, budget: Budget | None = None) -> Kept:
    content = Kept(budget or Budget(100))
    for piece in pieces:
        content.add(piece)
    return content


def stored(tmp_path: Path, data: bytes, shared: bool = True) -> Stored:
    path = tmp_path / "spool" / "1.body"
    path.parent.mkdir()
    path.write_bytes(data)
    content = Stored(path, shared=shared)
    content.size = len(data)
    return content


@pytest.mark.parametrize("where", ["bytes", "memory", "disk"])
@pytest.mark.parametrize("size", [1, 3, 4, 5, 65_536])
def test_the_body_is_the_same_wherever_it_is(where: str, size: int, tmp_path: Path) -> None:
    content: bytes | Kept | Stored = b"good"
    if where != "bytes":
        content = kept(b"go", b"", b"od") if where == "memory" else stored(tmp_path, b"good")
    response = Response(URL, None, 200, Headers({"Content-Type": "text/plain"}), content)
    chunks = list(response.iter_bytes(size))
    assert b"".join(chunks) == response.body == b"good"
    assert {len(chunk) for chunk in chunks[:-1]} <= {size}
    assert response.text == "good"
    assert (response.path is not None) == (where == "disk")
    response.release()
    assert response.body == b"good"


def test_an_empty_body_has_no_chunks(tmp_path: Path) -> None:
    for content in (b"", kept(), stored(tmp_path, b"")):
        response = Response(URL, body=content)
        assert (list(response.iter_bytes()), response.body) == ([], b"")


def test_a_large_file_is_not_read_to_learn_that_it_is_no_page(tmp_path: Path) -> None:
    response = Response(URL, None, 200, Headers(), stored(tmp_path, b"%PDF-1.7" + bytes(200_000)))
    assert response.links() == []
    assert response.directives is not None
    assert response._body is None


def test_the_file_of_a_body_goes_with_its_response(tmp_path: Path) -> None:
    response = Response(URL, body=stored(tmp_path, b"good"))
    path = response.path
    assert path is not None
    assert path.exists()
    del response
    assert not path.exists()


def test_what_a_body_takes_of_the_budget_is_given_back_with_its_response() -> None:
    budget = Budget(100)
    response = Response(URL, body=kept(b"four", b"more!", budget=budget))
    assert (budget.used, response.body) == (9, b"fourmore!")
    del response
    assert budget.used == 0


@pytest.mark.parametrize("where", ["bytes", "memory", "disk", "a folder of the system's"])
def test_a_body_is_saved_whole_and_over_nothing(where: str, tmp_path: Path) -> None:
    content: bytes | Kept | Stored = b"good"
    if where != "bytes":
        content = kept(b"go", b"od") if where == "memory" else stored(tmp_path, b"good", shared=where == "disk")
    response = Response(URL, body=content)
    out = tmp_path / "out"
    out.mkdir()
    assert response.save(out) == out / "b.html"
    assert response.save(str(out / "c")) == out / "c"
    (out / "d").write_bytes(b"another's")
    with pytest.raises(FileExistsError):
        response.save(out / "d")
    assert (out / "d").read_bytes() == b"another's"
    response.save(out / "d", overwrite=True)
    with pytest.raises(FileNotFoundError):
        response.save(out / "nowhere" / "e")
    assert {path.name: path.read_bytes() for path in out.iterdir()} == dict.fromkeys(("b.html", "c", "d"), b"good")
    assert response.body == b"good"
    del response, content
    assert {path.name: path.read_bytes() for path in out.iterdir()} == dict.fromkeys(("b.html", "c", "d"), b"good")


def test_a_body_is_saved_where_files_cannot_have_two_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", no_links)
    response = Response(URL, body=stored(tmp_path, b"good"))
    assert response.save(tmp_path / "a").read_bytes() == b"good"
    with pytest.raises(FileExistsError):
        response.save(tmp_path / "a")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "spool"]


def test_the_files_name_is_the_one_that_the_server_gives_it() -> None:
    headers = Headers({"Content-Disposition": 'attachment; filename="../x.pdf"'})
    assert Response(URL, None, 200, headers).filename == "x.pdf"
    assert Response(URL).filename == "b.html"


@pytest.mark.parametrize(("status", "ok"), [(199, False), (200, True), (304, True), (399, True), (400, False)])
def test_raise_for_status_raises_for_what_is_not_ok(status: int, ok: bool) -> None:
    response = answer(b"", status=status)
    assert response.ok is ok
    if ok:
        assert response.raise_for_status() is response
        return
    with pytest.raises(BadStatus) as caught:
        response.raise_for_status()
    assert (caught.value.response, caught.value.reason) == (response, f"status {status}")


# ---- the page ----


def test_a_page_is_parsed_once_and_again_after_release() -> None:
    response = page("<p>x")
    tree = response.tree
    assert response.tree is tree
    response.release()
    assert response.tree is not tree
    assert [node.text() for node in response.css("p")] == ["x"]


@pytest.mark.parametrize(
    ("html", "title"),
    [
        ("<title> a\n b </title>", "a b"),
        ("<title></title>", ""),
        ("<p>x", ""),
        ("<svg><title>drawing</title></svg><title>late</title>", "drawing"),
        ("<title>first</title><svg><title>drawing</title></svg>", "first"),
    ],
)
def test_the_title_is_that_of_the_head_squeezed(html: str, title: str) -> None:
    assert page(html).title == title


def test_a_wrong_selector_raises_bad_selector() -> None:
    for ask in (page("").css, page("").css_first, lambda query: page("").links(css=query)):
        with pytest.raises(BadSelector, match=r"a\["):
            ask("a[")


def test_a_node_that_matches_twice_is_given_once() -> None:
    assert [node.tag for node in page("<h1 id=x>1</h1><h2>2</h2>").css("[id], h1, h2")] == ["h1", "h2"]


PNG = b"\x89PNG\r\n\x1a\n<p>x</p><a href=/x>x</a>"


@pytest.mark.parametrize(
    ("body", "content_type", "found"),
    [
        (b"<p>x", "text/html", 1),
        (b"<p>x", "application/xhtml+xml", 1),
        (b"<rss><p>x</p></rss>", "application/rss+xml; charset=utf-8", 1),
        (b"<ul><p>x", None, 1),
        (b"\xef\xbb\xbf<p>x", "text/html", 1),
        (b"<p>x", "text/plain", 0),
        (b'{"a": "<p>x"}', "application/json", 0),
        (PNG, "text/html", 0),
        (PNG, None, 0),
        (PNG, "image/png", 0),
    ],
)
def test_only_a_body_that_is_markup_is_parsed(body: bytes, content_type: str | None, found: int) -> None:
    response = answer(body, content_type)
    assert len(response.css("p")) == found
    if not found:
        assert list(response.follow_all()) == []


# ---- where it leads ----

#: The cases of scenario L04.   href                        what it means at URL
HREFS = [
    ("x", "https://site.test/a/x"),
    (" \n x \t", "https://site.test/a/x"),
    ("/x\ny", "https://site.test/xy"),
    ("\\x\\y", "https://site.test/x/y"),
    ("//other.test", "https://other.test/"),
    ("https://other.test/x", "https://other.test/x"),
    ("?q", "https://site.test/a/b.html?q"),
    ("#top", "https://site.test/a/b.html"),
    ("", "https://site.test/a/b.html"),
    ("HTTP:x", "http://x/"),
    ("https:x", "https://site.test/a/x"),
    ("ü ", "https://site.test/a/%C3%BC"),
    ("mailto:a@b", None),
    ("javascript:void(0)", None),
    ("data:text/html,x", None),
    ("tel:+1", None),
    ("http://", None),
    ("http://[::1", None),
    ("http://a b/", None),
    ("https://x:99999/", None),
]


@pytest.mark.parametrize(("href", "url"), HREFS)
def test_a_link_is_what_a_browser_makes_of_its_href(href: str, url: str | None) -> None:
    response = page(f'<a href="{href}">t</a><area href="{href}">')
    assert [link.url for link in response.links()] == followed(response) == ([url] if url else [])
    assert response.absolute(href) == url
    if url:
        assert response.urljoin(href) == response.follow(href).url == url
    else:
        with pytest.raises(BadURL):
            response.urljoin(href)
        with pytest.raises(BadURL):
            response.follow(href)


def test_links_are_a_and_area_with_an_href_in_document_order_with_their_text() -> None:
    response = page(
        "<link href=/css><map><area href=/1 alt=no></map><a>none</a><A HREF=/2> two\n<b>words</b></A>"
        "<a href>here</a><img src=/i><a href=/1>again</a><svg><a href=/3>svg</a></svg>"
    )
    assert response.links() == [
        Link("https://site.test/1", ""),
        Link("https://site.test/2", "two words"),
        Link("https://site.test/a/b.html", "here"),
        Link("https://site.test/3", "svg"),
    ]


def test_links_are_unique_by_url_not_by_href() -> None:
    response = page("<a href=c>1</a><a href=./c>2</a><a href=c#x>3</a><a href=//site.test:443/a/c>4</a>")
    assert response.links() == [Link("https://site.test/a/c", "1")]
    assert followed(response) == ["https://site.test/a/c"]


@pytest.mark.parametrize(
    ("bases", "url"),
    [
        ("<base href=/d/><base href=/e/>", "https://site.test/d/x"),
        ("<base target=_top><base href=/e/>", "https://site.test/e/x"),
        ("<base href='//cdn.test'>", "https://cdn.test/x"),
        ("<base href=''>", "https://site.test/a/x"),
        ("<base href='javascript:1'>", "https://site.test/a/x"),
        ("<base href='http://[bad'><base href=/e/>", "https://site.test/a/x"),
        ("<body><p><base href=/in/body/>", "https://site.test/in/body/x"),
        ("<BASE HREF=/d/>", "https://site.test/d/x"),
        ("<template><base href=/d/></template>", "https://site.test/a/x"),
        ("<!-- <base href=/d/> -->", "https://site.test/a/x"),
    ],
)
def test_the_first_base_with_an_href_counts(bases: str, url: str) -> None:
    response = page(f"{bases}<a href=x>")
    assert followed(response) == [url]
    assert response.urljoin("x") == url


def test_the_query_of_a_link_is_in_the_page_s_encoding() -> None:
    response = answer("<a href='/s?q=ж'>".encode("cp1251"), "text/html; charset=windows-1251")
    assert followed(response) == ["https://site.test/s?q=%E6"]


def test_links_marked_nofollow_are_left_out_unless_asked_for() -> None:
    response = page("<a href=1 rel=nofollow></a><a href=2 rel='me NoFollow x'></a><a href=3 rel=nofollows></a>")
    assert followed(response) == ["https://site.test/a/3"]
    assert followed(response, css="a") == ["https://site.test/a/3"]
    assert followed(response, response.css("a")) == ["https://site.test/a/3"]
    assert [link.nofollow for link in response.links(nofollow=True)] == [True, True, False]
    for every in (
        followed(response, nofollow=True),
        followed(response, css="a", nofollow=True),
        followed(response, response.css("a"), nofollow=True),
        followed(response, response.links(nofollow=True), nofollow=True),
        followed(response, ["1", "2", "3"]),
    ):
        assert every == [f"https://site.test/a/{number}" for number in (1, 2, 3)]
    assert followed(response, response.links(nofollow=True)) == ["https://site.test/a/3"]
    assert response.follow(response.css("a")[0]).url == "https://site.test/a/1"


@pytest.mark.parametrize(
    ("html", "header", "directives"),
    [
        ("", "", set()),
        ("<meta name=Robots content='NoFollow, noindex'>", "", {"nofollow", "noindex"}),
        ("<meta name=robots content=none>", "", {"none", "nofollow", "noindex"}),
        ("<meta name=robots content=nofollow><meta name=robots content=noarchive>", "", {"nofollow", "noarchive"}),
        ("<meta name=robots>", "", set()),
        ("<meta name=otherbot content=nofollow>", "", set()),
        ("", "nofollow , NOARCHIVE", {"nofollow", "noarchive"}),
        ("", "otherbot: noindex, nofollow", set()),
        ("", "max-snippet: 3, nofollow", {"nofollow"}),
    ],
)
def test_a_page_that_says_nofollow_of_itself_has_no_links_to_follow(
    html: str, header: str, directives: set[str]
) -> None:
    response = page(html + "<a href=x>", X_Robots_Tag=header)
    assert set(response.directives) == directives
    expected = [] if "nofollow" in directives else ["https://site.test/a/x"]
    assert followed(response) == followed(response, css="a") == [link.url for link in response.links()] == expected
    assert followed(response, nofollow=True) == ["https://site.test/a/x"]


def test_allow_and_deny_are_searched_in_the_absolute_url() -> None:
    response = page("".join(f"<a href={name}>" for name in ("cat1", "cat2", "dog1")))

    def names(**kwargs: Any) -> list[str]:
        return [link.url.rpartition("/")[2] for link in response.links(**kwargs)]

    assert names() == ["cat1", "cat2", "dog1"]
    assert names(allow="site.test/a/cat") == ["cat1", "cat2"]
    assert names(allow=["cat1", re.compile("DOG", re.IGNORECASE)]) == ["cat1", "dog1"]
    assert names(deny="2$") == ["cat1", "dog1"]
    assert names(allow="cat", deny=("1", "3")) == ["cat2"]
    assert names(allow="nowhere") == []


def test_css_keeps_to_links_that_match_or_stand_inside_of_what_matches() -> None:
    response = page(
        "<a href=out></a><ul><li class=next><a href=1></a><a href=2></a></li><li><a href=3></a></ul>"
        "<img src=i.png><link rel=next href=4>"
    )
    assert followed(response, css="li.next") == followed(response, css="li.next a")
    assert followed(response, css="li.next") == ["https://site.test/a/1", "https://site.test/a/2"]
    assert followed(response, css="ul, li.next a") == [f"https://site.test/a/{n}" for n in (1, 2, 3)]
    assert followed(response, css="img") == ["https://site.test/a/i.png"]
    assert followed(response, css="[rel=next]") == ["https://site.test/a/4"]
    assert followed(response, css="p") == []
    assert [link.url for link in response.links(css="li.next")] == followed(response, css="li.next")


def test_follow_takes_a_url_a_node_or_a_link() -> None:
    response = page("<a href=1>x</a><li><i></i><a href=2></a></li><p>none</p>")
    assert response.follow("x?y#z").url == "https://site.test/a/x?y"
    assert response.follow(response.css("a")[0]).url == "https://site.test/a/1"
    assert response.follow(response.css("li")[0]).url == "https://site.test/a/2"
    assert response.follow(response.links()[1]).url == "https://site.test/a/2"
    with pytest.raises(BadURL, match="neither href nor src"):
        response.follow(response.css("p")[0])


def test_follow_passes_callback_and_fields_to_the_request() -> None:
    response = page("<a href=1>")
    expected = Request("https://site.test/a/1", "parse_book", meta={"k": 1}, priority=2)
    assert response.follow("1", "parse_book", meta={"k": 1}, priority=2) == expected
    assert response.follow("1", callback="parse_book", meta={"k": 1}, priority=2) == expected
    assert list(response.follow_all(callback="parse_book", meta={"k": 1}, priority=2)) == [expected]
    assert list(response.follow_all(["1"], "parse_book", meta={"k": 1}, priority=2)) == [expected]


def test_a_request_that_follows_shares_the_page_s_cookie_jar() -> None:
    response = page("<a href=1>")
    response.request = Request(URL, jar="anna")
    assert response.follow("1").jar == "anna"
    assert [request.jar for request in response.follow_all()] == ["anna"]
    assert response.follow("1", jar="").jar == ""


def test_requests_of_one_page_share_nothing_that_can_change() -> None:
    first, second = page("<a href=1></a><a href=2></a>").follow_all(meta={"n": 0})
    first.meta["n"] = 1
    assert second.meta == {"n": 0}


def test_follow_all_says_what_a_bare_str_should_have_been() -> None:
    with pytest.raises(TypeError, match="css='li.next a'"):
        page("").follow_all("li.next a")
    with pytest.raises(TypeError, match="not both"):
        page("").follow_all(["x"], css="a")
    with pytest.raises(TypeError, match="colour"):
        list(page("<a href=x>").follow_all(colour="red"))
    with pytest.raises(TypeError, match="colour"):
        page("").follow("x", colour="red")


# ---- vectors of others ----


def vectors(name: str) -> list[Any]:
    path = VECTORS / name
    return json.loads(path.read_text()) if path.exists() else []


@pytest.mark.skipif(not VECTORS.exists(), reason="the vectors of ../shared/data are not here")
@pytest.mark.parametrize("case", vectors("nutch_meta_robots.json"), ids=lambda case: case["id"])
def test_nutch_meta_robots(case: dict[str, Any]) -> None:
    response = Response.from_html("http://www.nutch.org", case["html"])
    assert ("noindex" in response.directives, "nofollow" in response.directives) == (case["noindex"], case["nofollow"])
    assert case["base_href"] in (None, response.base.url)


XPATHS = {"//div": "div", "//p": "p", '//div[@id="subwrapper"]': "#subwrapper"}
OURS = {"allow", "deny", "restrict_css", "restrict_xpaths", "unique", "canonicalize"}


def options(kwargs: dict[str, Any]) -> dict[str, Any]:
    """What Scrapy's extractor is told, in our words."""
    ours = {name: kwargs[name] for name in ("allow", "deny") if name in kwargs}
    for name in ("restrict_css", "restrict_xpaths"):
        if name in kwargs:
            given = [kwargs[name]] if isinstance(kwargs[name], str) else kwargs[name]
            ours["css"] = ", ".join(XPATHS.get(each, each) for each in given)
    return ours


def scrapy_cases() -> list[Any]:
    return [case for case in vectors("scrapy.json") if OURS.issuperset(case["kwargs"]) and case["id"] not in DIFFERENT]


#: Where we mean something else than Scrapy does.
DIFFERENT = {
    "links/scrapy.json:49": "the order of a query is kept",
    "links/scrapy.json:21": "a file name's ending does not decide here what is fetched",
}


@pytest.mark.skipif(not VECTORS.exists(), reason="the vectors of ../shared/data are not here")
@pytest.mark.parametrize("case", scrapy_cases(), ids=lambda case: case["id"])
def test_links_are_those_of_scrapy_but_for_fragments_and_other_schemes(case: dict[str, Any]) -> None:
    text = case["body"].get("text")
    body = text.encode(case["encoding"]) if text is not None else base64.b64decode(case["body"]["b64"])
    headers = Headers({"Content-Type": f"text/html; charset={case['encoding']}"})
    response = Response(case["url"], headers=headers, body=body)
    expected: dict[str, tuple[str, bool]] = {}
    for link in case["links"]:
        if link["url"].startswith("http"):
            expected.setdefault(canonical(link["url"]), (" ".join(link["text"].split()), link["nofollow"]))
    found = {link.url: (link.text, link.nofollow) for link in response.links(nofollow=True, **options(case["kwargs"]))}
    assert found == expected
