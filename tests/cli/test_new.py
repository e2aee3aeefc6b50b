from __future__ import annotations

import json
from pathlib import Path

import pytest


def test_a_new_project_and_a_new_spider_work_as_they_are(scrapekit, site, folder, monkeypatch):
    made = scrapekit("new", "project", "my/shop")
    assert (made.code, made.err) == (0, "")
    assert "Set contact in my/shop/scrapekit.toml" in made.out
    monkeypatch.chdir(folder / "my" / "shop")
    made = scrapekit("new", "spider", "book-shop", f"{site.url}/")
    assert made.code == 0
    assert made.out.startswith("made spiders/book_shop.py\n")
    assert "but first" not in made.out
    assert scrapekit("list").out.startswith("book-shop  spiders/book_shop.py:14")
    done = scrapekit("crawl", "book-shop", "--set", "limits.delay=0")
    assert done.code == 0
    assert [json.loads(line) for line in done.out.splitlines()] == [
        {"url": f"{site.url}/{path}", "title": f"page {n}", "headings": []} for n, path in enumerate(["", 1, 2])
    ]


def test_a_new_project_crawls_nothing_off_loopback_until_contact_is_set(scrapekit, folder):
    scrapekit("new", "project", ".")
    made = scrapekit("new", "spider", "quotes", "https://quotes.toscrape.com")
    assert "but first: " in made.out
    said = scrapekit("crawl", "quotes", "-o", "quotes.jsonl")
    assert said.code == 2
    assert "identity.contact" in said.refusal
    assert not (folder / "quotes.jsonl").exists()  # it would be in the way of the next try
    assert list((folder / ".scrapekit" / "runs").iterdir()) == []


def test_the_contact_of_a_new_project_is_set_by_taking_a_sign_away(scrapekit, folder):
    scrapekit("new", "project", ".")
    file = folder / "scrapekit.toml"
    file.write_text(file.read_text().replace("# contact =", "contact ="))
    assert "would be refused" not in scrapekit("config", "--host", "example.com").out


def test_nothing_that_exists_is_written_over(scrapekit, folder):
    (folder / ".gitignore").write_text("mine\n")
    assert scrapekit("new", "project", ".").code == 0
    assert (folder / ".gitignore").read_text() == "mine\n"
    (folder / "scrapekit.toml").write_text("# mine\n")
    assert "exists already" in scrapekit("new", "project", ".").refusal
    assert (folder / "scrapekit.toml").read_text() == "# mine\n"
    (folder / "spiders" / "quotes.py").write_text("# mine\n")
    assert "exists already" in scrapekit("new", "spider", "quotes", "http://a.test").refusal


def test_a_name_that_is_taken_is_refused_with_its_place(scrapekit, project):
    assert scrapekit("new", "spider", "pages", "http://a.test").refusal.endswith("(spiders/pages.py:9)")


@pytest.mark.parametrize("name", ["", "9", "a b", "a/b", "../a", "class", "a.py", "-", "ü"])
def test_what_cannot_name_a_spider_is_refused(scrapekit, project, name):
    said = scrapekit("new", "spider", "--", name, "http://a.test")
    assert said.code == 2
    assert "cannot name a spider" in said.refusal


@pytest.mark.parametrize(
    ("url", "hint"), [("quotes.test", "https://quotes.test"), ("ftp://a.test", ""), ("http://", "")]
)
def test_what_is_no_url_is_refused(scrapekit, project, url, hint):
    assert hint in scrapekit("new", "spider", "quotes", url).refusal
    assert [path.name for path in Path("spiders").glob("*.py")] == ["pages.py"]


def test_a_quote_in_a_url_does_not_break_the_file(scrapekit, project):
    scrapekit("new", "spider", "odd", "http://a.test/?q=\"'\\")
    said = scrapekit("list")
    assert (said.err, said.out.splitlines()[0].split()[0]) == ("", "odd")


@pytest.mark.parametrize("name", ["item", "spider", "page", "response"])
def test_a_class_never_hides_what_its_file_imports(scrapekit, project, name):
    scrapekit("new", "spider", name, "http://a.test")
    assert scrapekit("list").err == ""


def test_a_spider_needs_a_project(scrapekit):
    assert "scrapekit new project DIR" in scrapekit("new", "spider", "quotes", "http://a.test").refusal


def test_a_folder_that_cannot_be_made_is_told(scrapekit, folder):
    (folder / "file").write_text("")
    assert "cannot be made" in scrapekit("new", "project", "file/below").refusal
