from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrapekit import tomlfile
from scrapekit.errors import ConfigError

FILE = """\
# a comment

[crawl]
concurrency = 8   # another
a.b = 1
[ hosts."*.example.com" ]
delay = 1
headers = { A = "x", "B.C" = "y" }
text = '''
[not a table]
delay = 2
'''
list = [
  1,
  # in between
  2,
]
after = 1

  [hosts."q=\\"x"]
  "quoted key" = 1
"""

LINES = {
    ("crawl",): 3,
    ("crawl", "concurrency"): 4,
    ("crawl", "a"): 5,
    ("crawl", "a", "b"): 5,
    ("hosts",): 6,
    ("hosts", "*.example.com"): 6,
    ("hosts", "*.example.com", "delay"): 7,
    ("hosts", "*.example.com", "headers"): 8,
    ("hosts", "*.example.com", "headers", "A"): 8,
    ("hosts", "*.example.com", "headers", "B.C"): 8,
    ("hosts", "*.example.com", "text"): 9,
    ("hosts", "*.example.com", "list"): 13,
    ("hosts", "*.example.com", "after"): 18,
    ("hosts", 'q="x'): 20,
    ("hosts", 'q="x', "quoted key"): 21,
}


def test_every_key_has_the_line_on_which_it_begins() -> None:
    assert tomlfile.lines(FILE) == LINES


@pytest.mark.parametrize("cut", range(len(FILE.splitlines()) + 1))
def test_the_lines_of_a_file_s_first_part_are_those_of_the_whole(cut: int) -> None:
    part = "\n".join(FILE.split("\n")[:cut])
    try:
        tomlfile.parse(part, "part")
    except ConfigError:
        return
    assert tomlfile.lines(part) == {path: line for path, line in LINES.items() if line <= cut}


@pytest.mark.parametrize(
    "content", [FILE.encode(), FILE.replace("\n", "\r\n").encode(), b"\xef\xbb\xbf" + FILE.encode()]
)
def test_line_breaks_and_a_bom_do_not_move_a_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(content)
    tables, text = tomlfile.read(path)
    assert tables == tomlfile.parse(FILE, "x")
    assert tomlfile.lines(text) == LINES


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a = 1\nb = \n", 2),
        ("a = 1\r\na = 2\r\n", 2),
        ("\n[x\n", 2),
        ("a = [1,\n2\n", 2),
        ("a = 1 1", 1),
        ("[a]\n[b]\n[a]\n", 3),
        ('a = """\n\n', 1),
    ],
)
def test_a_syntax_error_has_file_and_line(tmp_path: Path, text: str, line: int) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(text.encode())
    with pytest.raises(ConfigError) as caught:
        tomlfile.read(path)
    assert (caught.value.file, caught.value.line) == (path, line)
    assert str(caught.value).startswith(f"{path}:{line}: not TOML: ")


def test_a_file_that_is_not_utf_8_has_the_line_of_the_bad_byte(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(b"a = 1\nb = '\xe4'\n")
    with pytest.raises(ConfigError) as caught:
        tomlfile.read(path)
    assert caught.value.line == 2


def test_a_file_that_cannot_be_read_is_a_config_error(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(ConfigError, match="cannot be read"):
            tomlfile.read(path)


@pytest.mark.parametrize("text", ["a = " + "[" * 100_000, "a = " + "9" * 5000])
def test_a_hostile_file_is_a_config_error(text: str) -> None:
    with pytest.raises(ConfigError):
        tomlfile.parse(text, "x")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("1.5", 1.5),
        ("true", True),
        ('"x"', "x"),
        ("[1, 2]", [1, 2]),
        ("{ a = 1 }", {"a": 1}),
        ("obey", "obey"),
        ("10 min", "10 min"),
        ("https://example.org/#x", "https://example.org/#x"),
        ("", ""),
        ("1\nother = 2", "1\nother = 2"),
    ],
)
def test_a_value_is_toml_or_else_a_string(text: str, value: object) -> None:
    assert tomlfile.value(text) == value


@pytest.mark.parametrize("text", ["", "a.", "a b", "[a]", "a = 1\nb", "a = 1 #", "a #"])
def test_what_is_no_key_is_none(text: str) -> None:
    assert tomlfile.key_path(text) is None


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=9), min_size=1, max_size=4).map(tuple))
def test_a_key_written_out_reads_back_the_same(path: tuple[str, ...]) -> None:
    assert tomlfile.key_path(tomlfile.dotted(path)) == path
