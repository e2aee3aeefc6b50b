from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scrapekit import project
from scrapekit.config import FILE_NAME, load
from scrapekit.errors import ConfigError

SPIDER = """\
from scrapekit.spider import Spider


class {cls}(Spider):
    name = "{name}"
"""

Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Write a file of a project in the current folder; what is imported from it is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)

    def write(path: str, text: str) -> Path:
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    write(FILE_NAME, "")
    yield write
    for name in set(sys.modules) - before:
        del sys.modules[name]


def spider(name: str, cls: str = "") -> str:
    return SPIDER.format(name=name, cls=cls or name.title())


def catalogue() -> project.Catalogue:
    return project.discover(load(Path(FILE_NAME)))


def pick(target: str) -> str:
    return project.pick(target, load(Path(FILE_NAME))).name


def refusal(target: str) -> str:
    with pytest.raises(ConfigError) as caught:
        pick(target)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_spiders_are_found_in_every_file_of_the_folders_that_the_file_names(write: Write) -> None:
    write(FILE_NAME, '[scrapekit]\nspiders = ["one", "two"]')
    write("one/a.py", spider("alpha") + "\n\n" + spider("beta"))
    write("one/deep/er/b.py", spider("gamma"))
    write("two/c-d.py", spider("delta"))
    write("three/e.py", spider("epsilon"))
    assert (catalogue().names, catalogue().problems) == (["alpha", "beta", "delta", "gamma"], ())


def test_private_files_and_folders_are_not_looked_into(write: Write) -> None:
    for path in ("_base.py", "__init__.py", "_old/a.py", ".hidden/a.py"):
        write(f"spiders/{path}", "raise SystemExit('looked into')")
    write("spiders/a.py", spider("alpha"))
    assert (catalogue().names, catalogue().problems) == (["alpha"], ())


def test_a_base_class_and_an_imported_spider_are_no_spiders_of_the_file(write: Write) -> None:
    write("spiders/base.py", spider("alpha") + "\n\nclass Base(Spider, abstract=True):\n    pass\n")
    write("spiders/b.py", "from spiders.base import Alpha, Base\n\n\nclass Beta(Base):\n    name = 'beta'\n")
    assert sorted(each.__name__ for each in catalogue().spiders) == ["Alpha", "Beta"]


def test_a_file_that_another_one_imports_runs_once(write: Write) -> None:
    write("spiders/a.py", "from spiders.z import Base\n\n\nclass A(Base):\n    name = 'a'\n")
    write("spiders/z.py", spider("zeta") + "\n\nclass Base(Spider, abstract=True):\n    pass\n")
    first, second = catalogue().spiders
    assert first.__mro__[1] is sys.modules[second.__module__].Base


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("x = 1\nprint(\n", 2, "SyntaxError"),
        ("\n\nundefined\n", 3, "NameError: name 'undefined' is not defined"),
        ("import no_such_thing\n", 1, "ModuleNotFoundError"),
        ("def f():\n    raise ValueError('a\\nb')\n\n\nf()\n", 2, "ValueError: a"),
        ("raise SystemExit(3)\n", 1, "SystemExit: 3"),
        (
            "from scrapekit.spider import Spider\n\n\nclass A(Spider):\n    pass\n",
            4,
            "TypeError: spider A needs a name",
        ),
        ("import json\njson.loads('{')\n", 2, "JSONDecodeError"),
        ("x = '\\0'\n\tindented\n", 2, "IndentationError"),
    ],
)
def test_a_broken_file_hides_no_other_and_shows_where_it_broke(write: Write, text: str, line: int, what: str) -> None:
    write("spiders/broken.py", text)
    write("spiders/whole.py", spider("whole"))
    found = catalogue()
    assert found.names == ["whole"]
    (problem,) = found.problems
    assert (str(problem.file), problem.line) == ("spiders/broken.py", line)
    assert str(problem).startswith(f"spiders/broken.py:{line}: {what}")
    assert "\n" not in str(problem)
    assert pick("whole") == "whole"


def test_a_broken_file_is_named_when_a_spider_is_missing(write: Write) -> None:
    write("spiders/broken.py", "undefined")
    assert "spiders/broken.py:1: NameError" in refusal("quotes")


def test_a_broken_file_may_be_mended_and_read_again(write: Write) -> None:
    write("spiders/a.py", "undefined")
    assert catalogue().names == []
    write("spiders/a.py", spider("alpha"))
    assert catalogue().names == ["alpha"]


def test_an_interrupt_is_not_taken_for_a_broken_file(write: Write) -> None:
    write("spiders/a.py", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        catalogue()


def test_a_folder_that_does_not_exist_is_told_with_its_line(write: Write) -> None:
    write(FILE_NAME, '[scrapekit]\nspiders = ["spyders"]')
    assert [str(each) for each in catalogue().problems] == ["scrapekit.toml:2: there is no folder spyders"]


def test_limits_for_a_spider_that_does_not_exist_are_told(write: Write) -> None:
    write("spiders/a.py", spider("quotes"))
    write(FILE_NAME, "[spiders.quotes.limits]\n[spiders.qoutes.limits]\ndelay = 3")
    assert [str(each) for each in catalogue().problems] == [
        "scrapekit.toml:2: spiders.qoutes: no spider has this name (did you mean quotes?)"
    ]


def test_a_misspelt_name_suggests_the_nearest(write: Write) -> None:
    write("spiders/a.py", spider("quotes") + spider("books"))
    assert refusal("qoutes") == "there is no spider 'qoutes' (did you mean quotes?)"
    assert refusal("zzz") == "there is no spider 'zzz' (there is books, quotes)"


def test_two_spiders_of_one_name_are_told_with_their_places(write: Write) -> None:
    write("spiders/a.py", spider("quotes", "One"))
    write("spiders/b.py", "\n" + spider("quotes", "Two") + spider("other"))
    told = refusal("quotes")
    assert "2 spiders are named 'quotes': spiders/a.py:4 and spiders/b.py:5" in told
    assert "spiders/a.py:One" in told
    assert pick("spiders/b.py:Two") == "quotes"
    assert pick("other") == "other"


def test_a_spider_is_given_by_file_outside_any_project(write: Write, tmp_path: Path) -> None:
    file = write("elsewhere/in/spider.py", "import beside\n" + spider("alpha"))
    write("elsewhere/in/beside.py", "")
    settings = project.Settings()
    assert project.pick(str(file), settings).name == "alpha"
    assert project.pick("elsewhere/in/spider.py", settings).name == "alpha"
    assert project.pick("elsewhere/in/spider.py:Alpha", settings).name == "alpha"


def test_a_file_with_the_name_of_a_library_hides_it_from_nobody(write: Write) -> None:
    write("elsewhere/colorsys.py", spider("alpha"))
    write("elsewhere/a.py", "import colorsys\ncolorsys.rgb_to_hls\n" + spider("beta"))
    sys.modules.pop("colorsys", None)
    settings = project.Settings()
    assert project.pick("elsewhere/colorsys.py", settings).name == "alpha"
    assert project.pick("elsewhere/a.py", settings).name == "beta"


def test_of_several_spiders_in_a_file_one_is_to_be_named(write: Write) -> None:
    write("x.py", spider("alpha") + "\n\n" + spider("beta"))
    assert refusal("x.py") == "x.py has 2 spiders (say which, such as x.py:Alpha)"
    assert pick("x.py:Beta") == "beta"
    assert refusal("x.py:Betta") == "x.py has no spider class 'Betta' (did you mean Beta?)"


def test_a_file_without_a_spider_and_a_missing_one_are_refused(write: Write) -> None:
    write("x.py", "")
    assert refusal("x.py").startswith("x.py has no spider (")
    assert refusal("y.py") == "y.py: there is no such file"


def test_a_spider_is_given_by_module_and_class(write: Write) -> None:
    write("package/__init__.py", "")
    write("package/inner.py", "from package.other import Base\n\n\nclass Alpha(Base):\n    name = 'alpha'\n")
    write("package/other.py", spider("zeta") + "\n\nclass Base(Spider, abstract=True):\n    pass\n")
    assert pick("package.inner:Alpha") == "alpha"
    assert pick("package.other:Zeta") == "zeta"
    assert refusal("package.inner:Alfa") == "package.inner has no spider class 'Alfa' (did you mean Alpha?)"
    assert refusal("package.outer:Alpha").startswith("there is no module 'package.outer'")


def test_what_lies_beside_a_spider_of_the_project_can_be_imported(write: Write) -> None:
    write("spiders/beside_it.py", "")
    write("spiders/a.py", "import beside_it\n" + spider("alpha"))
    assert (catalogue().names, catalogue().problems) == (["alpha"], ())


def test_a_module_that_breaks_shows_where(write: Write) -> None:
    write("broken_one.py", "\nimport no_such_thing\n")
    assert refusal("broken_one:Alpha") == "broken_one.py:2: ModuleNotFoundError: No module named 'no_such_thing'"
    write("broken_two.py", "\n\nundefined\n")
    assert refusal("broken_two:Alpha").startswith("broken_two.py:3: NameError")


def test_without_a_project_a_bare_name_is_refused_with_the_way_out(write: Write) -> None:
    for name, hint in (("quotes", "scrapekit new project DIR"), ("here", "did you mean here.py?")):
        write("here.py", "")
        with pytest.raises(ConfigError) as caught:
            project.pick(name, project.Settings())
        assert hint in str(caught.value)


def test_the_place_of_a_spider_is_its_file_and_line(write: Write) -> None:
    write("spiders/a.py", spider("alpha"))
    assert str(project.place_of(catalogue().spiders[0])) == "spiders/a.py:4"


ARGUMENTS = """\
from scrapekit.spider import Spider


class Alpha(Spider):
    name = "alpha"

    def __init__(self, tag, *, pages="3"):
        self.tag = tag
        self.pages = int(pages)
"""


def test_arguments_arrive_as_keywords_of_init(write: Write) -> None:
    write("spiders/a.py", ARGUMENTS)
    made = project.make(catalogue().spiders[0], {"tag": "x", "pages": "5"})
    assert (made.tag, made.pages) == ("x", 5)  # type: ignore[attr-defined]


def test_arguments_become_attributes_by_default(write: Write) -> None:
    write("spiders/a.py", spider("alpha"))
    assert project.make(catalogue().spiders[0], {"tag": "x"}).tag == "x"  # type: ignore[attr-defined]


@pytest.mark.parametrize("arguments", [{}, {"tag": "x", "page": "5"}])
def test_arguments_that_a_spider_does_not_take_are_refused(write: Write, arguments: dict[str, str]) -> None:
    write("spiders/a.py", ARGUMENTS)
    with pytest.raises(ConfigError) as caught:
        project.make(catalogue().spiders[0], arguments)
    assert str(caught.value).startswith("spider 'alpha': ")
    assert caught.value.hint == "it takes -a tag=… -a [pages=…]"


def test_an_init_that_raises_is_told_with_its_line(write: Write) -> None:
    write("spiders/a.py", ARGUMENTS)
    with pytest.raises(ConfigError) as caught:
        project.make(catalogue().spiders[0], {"tag": "x", "pages": "many"})
    assert str(caught.value).startswith("spiders/a.py:9: ValueError: invalid literal")
