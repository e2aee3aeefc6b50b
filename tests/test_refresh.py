"""Where a page sends its reader by itself, by the HTML standard's shared declarative refresh steps."""

from __future__ import annotations

import pytest

from scrapekit import Response
from scrapekit.content import Stored
from scrapekit.headers import Headers
from scrapekit.refresh import LONGEST, MAX_URL, Refresh, parsed, refresh_of

URL = "http://a.test/dir/page"
SOON = '<meta http-equiv="refresh" content="0; url=/soon">'

PARSED = {
    "0; url=/x": (0, "/x"),
    "5;URL='x'": (5, "x"),
    '5 , uRl \t=\n "x" y': (5, "x"),
    " \t\n\f\r7;url=x": (7, "x"),
    "0 /x": (0, "/x"),
    "0;/x": (0, "/x"),
    "0,'x": (0, "x"),
    "0;'x\"y'z": (0, 'x"y'),
    "0;url=x'y": (0, "x'y"),
    "1.9;url=x": (1, "x"),
    "1.2.3;x": (1, "x"),
    ".5;x": (0, "x"),
    "5": (5, ""),
    "5;": (5, ""),
    "5; url=": (5, ""),
    "0;url": (0, "url"),
    "0;ur": (0, "ur"),
    "0;urlx=y": (0, "urlx=y"),
    "0;u'x'": (0, "u'x'"),
    "0;;x": (0, ";x"),
    "0;url= x ": (0, "x "),
}
MALFORMED = ["", " ", ";url=/x", "url=/x", "x;url=/x", "-1;url=/x", "+1;url=/x", "1x", "1/x", "1e3;x", "٣;url=/x"]


@pytest.mark.parametrize("text", PARSED)
def test_seconds_and_url_are_read_as_browsers_read_them(text):
    assert parsed(text) == PARSED[text]


@pytest.mark.parametrize("text", MALFORMED)
def test_what_has_no_time_is_none(text):
    assert parsed(text) is None


def test_digits_without_end_are_read_in_no_time():
    assert parsed("9" * 100_000 + "x") is None
    assert parsed("1" * 300)[0] == pytest.approx(1.11e299, rel=0.01)


def of(html="", *, field=None, kind="text/html", url=URL):
    fields = [("Content-Type", kind)] if kind else []
    fields += [("Refresh", field)] if field is not None else []
    return refresh_of(Response(url, headers=Headers(fields), body=html.encode("latin-1")))


def test_the_field_goes_before_the_page():
    assert of(SOON, field="1; url=/field") == Refresh("http://a.test/field", 1)
    assert of(SOON) == Refresh("http://a.test/soon", 0)
    assert of("good") is None


@pytest.mark.parametrize("field", ["now", "0;url=mailto:me@a.test", "0;url=http://[/"])
def test_a_field_that_is_none_leaves_it_to_the_page(field):
    assert of(field=field) is None
    assert of(SOON, field=field) == Refresh("http://a.test/soon", 0)


@pytest.mark.parametrize(
    "field", ["0", "0;url=", "0;url=page", "0;url=/dir/page#part", "0;url=http://A.test:80/dir/page"]
)
def test_a_page_that_reloads_itself_leads_nowhere(field):
    assert of(field=field) is None
    assert of(SOON, field=field) is None


@pytest.mark.parametrize(("seconds", "leads"), [(LONGEST - 1, True), (LONGEST, True), (LONGEST + 1, False)])
def test_one_that_comes_late_leads_nowhere(seconds, leads):
    assert (of(field=f"{seconds:.0f};url=/x") is not None) is leads
    assert (of(SOON.replace("0;", f"{seconds:.0f};") + SOON) == Refresh("http://a.test/soon", seconds)) is leads


@pytest.mark.parametrize(("length", "leads"), [(MAX_URL, True), (MAX_URL + 1, False)])
def test_a_url_that_is_too_long_leads_nowhere(length, leads):
    assert (of(field="0;url=/" + "x" * (length - len("http://a.test/"))) is not None) is leads


@pytest.mark.parametrize("tag", ["noscript", "template"])
@pytest.mark.parametrize("inside", ["%s", "<div><p>%s</p></div>"])
def test_what_stands_in_noscript_is_for_others(tag, inside):
    page = f"<body><{tag}>{inside % SOON}</{tag}>"
    assert of(page) is None
    assert of(f"{page}{SOON.replace('soon', 'later')}") == Refresh("http://a.test/later", 0)
    assert of(f"<head><{tag}>{SOON}</{tag}</head>") is None


@pytest.mark.parametrize(
    "html",
    [f"<!--{SOON}-->", f"<script>'{SOON}'</script>", f"<textarea>{SOON}</textarea>", "<meta http-equiv=refresh>",
     "<meta http-equiv content='0;url=/x'>", "<meta name=refresh content='0;url=/x'>",
     "<meta http-equiv=' refresh' content='0;url=/x'>", "<meta http-equiv=refresh content=''>",
     "<meta http-equiv=refresh content='0;url=javascript:x'>"],
)  # fmt: skip
def test_what_is_no_meta_refresh_leads_nowhere_and_the_next_one_does(html):
    assert of(html) is None
    assert of(html + SOON) == Refresh("http://a.test/soon", 0)


def test_the_first_one_counts_also_if_it_leads_nowhere():
    assert of(SOON + SOON.replace("soon", "later")) == Refresh("http://a.test/soon", 0)
    assert of(SOON.replace("; url=/soon", "") + SOON) is None


def test_a_meta_is_joined_to_the_base_and_in_the_encoding_of_the_page_and_a_field_to_the_url():
    page = "<base href='http://b.test/d/'><meta charset=latin-1><META HTTP-EQUIV=Refresh CONTENT='0;URL=x?\xe9'>"
    assert of(page) == Refresh("http://b.test/d/x?%E9", 0)
    assert of(page, field="0;url=x") == Refresh("http://a.test/dir/x", 0)


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "application/json", "image/png"])
def test_only_html_is_looked_into(kind):
    assert of(SOON, kind=kind) is None
    assert of("%PDF-1.7" + SOON) is None
    assert of("<html>" + SOON, kind="") == Refresh("http://a.test/soon", 0)


def test_markup_that_is_too_much_for_the_parser_is_an_answer():
    assert of(SOON + "<div>" * 100_000) is None


def test_a_page_in_a_file_is_not_looked_into_but_its_fields_are(tmp_path):
    body = Stored(tmp_path / "page")
    body.path.write_text(SOON)
    fields = [("Content-Type", "text/html")]
    assert refresh_of(Response(URL, headers=Headers(fields), body=body)) is None
    fields.append(("Refresh", "0;url=/field"))
    assert refresh_of(Response(URL, headers=Headers(fields), body=body)) == Refresh("http://a.test/field", 0)
