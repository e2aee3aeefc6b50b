"""The README and the documentation are true: every block in them is executed, every table is compared to the code."""

from __future__ import annotations

import ast
import dataclasses
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

from scrapekit import Settings, Spider, config, crawl_async, retry, tables
from scrapekit.cli.app import program
from scrapekit.errors import AskedForCalm, ConnectFailed, FetchTimeout, ProxyFailed, ResolveFailed
from scrapekit.http.session import SessionLimits
from scrapekit.testing import FakeNetwork, Page, VirtualClock
from tests import reference

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
#: What a block may be. `text` is what a program prints, or a drawing.
LANGUAGES = {"python", "toml", "sh", "text"}
_FENCE = re.compile(r"^```(?P<language>\S*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One fenced block: its page, the line on which its text begins, and that text."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks_of(page: Path) -> list[Block]:
    text = page.read_text()
    return [
        Block(page.name, text.count("\n", 0, found.start("text")) + 1, found["language"], found["text"])
        for found in _FENCE.finditer(text)
    ]


BLOCKS = [block for page in PAGES for block in blocks_of(page)]


def every(language: str):
    return pytest.mark.parametrize("block", [each for each in BLOCKS if each.language == language], ids=str)


def test_there_are_blocks_of_every_kind():
    assert {block.language for block in BLOCKS} == LANGUAGES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_fence_is_closed_and_read(page):
    assert page.read_text().count("```") == 2 * len(blocks_of(page))


@every("toml")
def test_settings_shown_are_valid(block, tmp_path):
    (tmp_path / "scrapekit.toml").write_text(block.text)
    settings = config.load(tmp_path / "scrapekit.toml")
    assert settings.identity.contact, "an example that would be refused outside of loopback"


def commands(block: Block) -> list[list[str]]:
    lines = (line.strip() for line in block.text.replace("\\\n", " ").splitlines())
    return [shlex.split(line, comments=True) for line in lines if line and not line.startswith("#")]


@every("sh")
def test_commands_shown_exist(block):
    for name, *arguments in commands(block):
        CHECKS[name](arguments)


def _is_target(arguments: list[str]) -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert arguments[0] in targets


def _is_module(arguments: list[str]) -> None:
    flag, module, *_ = arguments
    assert flag == "-m"
    assert module == "scrapekit" or ROOT.joinpath(*module.split(".")).with_suffix(".py").is_file()


def _is_ours(arguments: list[str]) -> None:
    """The command line takes these arguments; nothing is run."""
    command: click.Command | None = program
    context, name = None, "scrapekit"
    while isinstance(command, click.Group):
        context = command.make_context(name, arguments, parent=context)
        rest = [*context._protected_args, *context.args]
        if not rest and command.invoke_without_command:
            return
        name, command, arguments = command.resolve_command(context, rest)
    assert command is not None, name
    command.make_context(name, arguments, parent=context)


#: program     what must hold of its arguments
CHECKS = {
    "make": _is_target,
    "scrapekit": _is_ours,
    "python": _is_module,
    "cd": lambda arguments: None,
    "pip": lambda arguments: None,
    ".ci/run": lambda arguments: None,
}


# The Python. The blocks of a page are run one after the other, in one namespace, as a reader would type them.


#: what it is called    what it is given besides
WIRED = {"crawl": ["network"], "crawl_async": ["network", "clock"], "Session": ["network", "now"]}


class _OnTheFakeNetwork(ast.NodeTransformer):
    """Let what a block starts run against the sites below, on a virtual clock."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id in WIRED:
            given = {keyword.arg for keyword in node.keywords}
            node.keywords += [
                ast.keyword(name, ast.Name(name.upper(), ast.Load()))
                for name in WIRED[node.func.id]
                if name not in given
            ]
        if isinstance(node.func, ast.Name) and node.func.id == "crawl":
            node.func.id = "CRAWL"
        if ast.unparse(node.func) == "curio.run":
            node.func = ast.Attribute(ast.Name("CLOCK", ast.Load()), "run", ast.Load())
        return node


def execute(block: Block, namespace: dict[str, object]) -> None:
    tree = ast.parse(block.text)
    ast.increment_lineno(tree, block.line - 1)
    tree = ast.fix_missing_locations(_OnTheFakeNetwork().visit(tree))
    exec(compile(tree, block.page, "exec", dont_inherit=True), namespace)


def spiders_in(namespace: dict[str, object]) -> list[type[Spider]]:
    return [
        value
        for value in namespace.values()
        if isinstance(value, type) and issubclass(value, Spider) and value.__module__ == namespace["__name__"]
    ]


def web() -> FakeNetwork:
    """The sites that the documentation names."""
    quote = '<div class="quote"><span class="text">{}</span><small class="author">A</small><a class="tag">t</a></div>'
    return FakeNetwork(
        {
            "quotes.toscrape.com": {
                "/": quote.format("One") + '<li class="next"><a href="/page/2/">Next</a></li>',
                "/page/2/": quote.format("Two"),
            },
            "news.example.com": {
                "/": '<article><h2><a href="/a">A</a></h2></article><article><h2><a href="/b">B</a></h2></article>',
                "/a": "<title>A</title>",
                "/b": "<title>B</title>",
            },
            "files.example.com": {
                "/": '<a href="/a.pdf">A</a>',
                "/a.pdf": Page("%PDF-1.7", headers={"Content-Type": "application/pdf", "ETag": '"1"'}),
            },
            "api.example.com": {"/books": json('[{"title": "Walden"}]')}
            | {f"/slow/{number}": json(f'{{"seconds": {number}}}', delay=number) for number in (1, 2, 3, 4)},
        }
    )


def json(body: str, delay: float = 0.0) -> Page:
    return Page(body, headers={"Content-Type": "application/json"}, delay=delay)


SETTINGS = Settings.make({"identity": {"name": "examplebot", "contact": "https://example.org/bot"}})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_python_of_a_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    clock, network = VirtualClock(), web()

    def crawl_here(spider, settings=SETTINGS, **more):
        async def main():
            return await crawl_async(spider, settings, clock=clock, **more)

        return clock.run(main)

    namespace = {"__name__": page.stem, "NETWORK": network, "CLOCK": clock, "NOW": clock, "CRAWL": crawl_here}
    done: set[type[Spider]] = set()
    for block in blocks_of(page):
        if block.language == "python":
            execute(block, namespace)
            for spider in set(spiders_in(namespace)) - done:
                done.add(spider)
                stats, items = crawl_here(spider, network=web(), items=True)
                assert stats.end == "finished", block
                assert items, f"{block}: {spider.name} found nothing"
                assert stats.fetched == stats.seen, f"{block}: {stats.reasons}"
                assert not stats.rejected, block


# The settings.


@pytest.mark.parametrize("page", reference.PARTS)
def test_the_references_are_what_the_code_says(page):
    assert reference.written(page) == reference.made(page), "run: python -m tests.reference"


def test_every_setting_is_read_somewhere():
    sources = [path for path in (ROOT / "scrapekit").rglob("*.py") if path.name != "tables.py"]
    used = {
        node.attr
        for path in sources
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
    }
    unused = [f"{table}.{name}" for table, name, *_ in tables.reference() if name not in used]
    assert unused == [], "settings that nobody reads are promises that nobody keeps"


def test_the_limits_of_a_session_are_what_the_page_says():
    rows = re.findall(r"^\| `(\w+)` \| ([\d.]+|False) \|", (ROOT / "docs" / "client.md").read_text(), re.MULTILINE)
    defaults = {each.name: each.default for each in dataclasses.fields(SessionLimits)}
    assert {name: ast.literal_eval(value) for name, value in rows} == defaults


# The tables of the page on politeness.

#: row in the page                                kind in the code
RETRIED = {
    "timeout": [FetchTimeout],
    "connection refused, reset or cut": [ConnectFailed],
    "no address for the name": [ResolveFailed],
    "a proxy": [ProxyFailed],
    "a call for calm, HTTP/2's 429": [AskedForCalm],
}


def test_what_is_tried_again_is_what_the_page_says():
    page = (ROOT / "docs" / "politeness.md").read_text()
    rows = re.findall(r"^\| (.+) \| (\d) times? \| (\d+) s \|$", page, re.MULTILINE)
    said = {}
    for what, times, wait in rows:
        kinds = RETRIED.get(what) or [int(status) for status in what.split(", ")]
        said.update(dict.fromkeys(kinds, retry.Retry(int(times), float(wait))))
    assert said == retry.RETRY
