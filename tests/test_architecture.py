"""The house stands as it was drawn: who may import whom, who owns which library, and what is written nowhere.

Read from the source with ``ast``, nothing is imported. A new module must be given its floor here.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import tomli

ROOT = Path(__file__).resolve().parent.parent

#: room or module      floor  (its name below ``scrapekit.``; a room is a folder)
FLOORS = {
    "_compat": 0, "version": 0, "kernel": 0,
    "errors": 1, "headers": 1, "url": 1, "units": 1, "charsets": 1, "prescan": 1, "encoding": 1, "guard": 1,
    "markup": 1, "extract": 1, "links": 1, "request": 1, "requestparts": 1, "response": 1, "item": 1, "stats": 1,
    "private": 1, "structured": 1, "directives": 1, "suffixes": 1, "content": 1, "filename": 1, "refresh": 1,
    "multipart": 1, "referer": 1,
    "sitemap": 2, "sitemaptags": 2, "signing": 2,
    "tomlfile": 2, "tables": 2, "hostrules": 2, "complaint": 2, "config": 2, "robots": 2, "robotsgroup": 2,
    "throttle": 2, "backoff": 2, "ratelimit": 2, "retry": 2, "spider": 2, "importing": 2,
    "budget": 2, "circuit": 2, "hours": 2, "traps": 2, "reach": 2, "auth": 2, "credentials": 2,
    "proxies": 2, "proxychoice": 2,
    "http": 3, "frontier": 3, "sinks": 3, "origins": 3, "window": 3, "hosts": 3, "line": 3, "registry": 3,
    "hostlocks": 3, "hostbook": 3, "cache": 3, "hostmemory": 3,
    "ledger": 3, "audit": 3,
    "keeper": 4, "fetcher": 4, "callbacks": 4, "scheduler": 4, "crawler": 4, "project": 4, "pages": 4,
    "scout": 4, "plan": 4, "record": 4, "files": 4, "reload": 4, "history": 4, "former": 4, "formerpages": 4,
    "execution": 4, "access": 4, "resume": 4, "notes": 4, "ways": 4,
    "testing": 5, "demo": 5, "watch": 5,
    "cli": 6, "__init__": 7, "__main__": 7,
}  # fmt: skip
#: On these floors one room may use another; the imports as a whole must not go round in a circle.
OPEN_FLOORS = {0, 1, 2, 4}
#: Room                which others of its floor it may use. The host registry is cut in several, and stands on the
#: contract of the frontier, which hands it its rows.
NEIGHBOURS = {
    "window": {"frontier"},
    "cache": {"frontier", "http"},
    "hostbook": {"frontier", "origins", "hostlocks"},
    "hostmemory": {"origins"},
    "origins": {"frontier"},
    "hosts": {"frontier", "origins", "window"},
    "line": {"hosts", "window"},
    "registry": {"frontier", "origins", "window", "hosts", "line"},
    "audit": {"ledger"},
}

#: foreign library    the only rooms or modules that may import it
OWNERS = {
    "brotli": {"http"},
    "can_ada": {"url"},
    "click": {"cli"},
    "cryptography": {"signing"},
    "h11": {"http"},
    "h2": {"http"},
    "hpack": {"http"},
    "hyperframe": {"http"},
    "publicsuffixlist": {"suffixes"},
    "pyarrow": {"sinks"},
    "pydantic": {"item", "extract", "config", "tables", "complaint", "sinks", "pages"},
    "pydantic_core": {"item", "extract", "config", "tables", "complaint", "sinks", "hostmemory"},
    "redis": {"frontier"},
    "rich": {"cli", "watch"},
    "selectolax": {"markup"},
    "signal": {"cli"},
    "socket": {"http"},
    "socksio": {"http"},
    "sqlite3": {"cache", "formerpages", "frontier", "hostbook", "sinks"},
    "ssl": {"http", "_compat"},
    "tomli": {"tomlfile"},
    "truststore": {"http"},
    "zstandard": {"http"},
    # curio is the ground the upper floors stand on; the words and the rules are plain functions.
    "curio": {"_compat", "kernel", "http", "keeper", "fetcher", "callbacks", "scheduler", "execution", "pages", "scout",
              "plan", "reload", "testing", "demo", "watch", "cli"},
}  # fmt: skip
#: Nobody's: they block the kernel, or belong to another one.
NOBODYS = {"aiohttp", "asyncio", "requests", "tomllib", "urllib.request", "urllib3"}

#: Who may wait on purpose. Everywhere else a wait is a rule that has leaked. A session's callers wait at its own gate.
SLEEPERS = {"scheduler", "keeper", "reload", "testing", "demo", "watch", "http.server", "http.gate"}
#: These run the user's code, and so must catch what it raises: a spider's callbacks, a small server's pages.
CATCHERS = {"callbacks", "http.server"}
SHELL = {"cli", "watch"}

PYTHON = [path for path in sorted((ROOT / "scrapekit").rglob("*.py")) if "_template" not in path.parts]


@dataclass
class Module:
    """One source file: its dotted name below ``scrapekit.``, and what it imports, with the line."""

    name: str
    path: Path
    tree: ast.Module
    imports: list[tuple[str, int]] = field(default_factory=list)
    runtime: set[str] = field(default_factory=set)

    @property
    def room(self) -> str:
        return self.name.split(".")[0]

    @property
    def owns(self) -> set[str]:
        """The names under which a table may list this module."""
        return {self.room, self.name}


def read(path: Path, base: Path = ROOT / "scrapekit") -> Module:
    name = ".".join(path.relative_to(base).with_suffix("").parts)
    module = Module(name.removesuffix(".__init__"), path, ast.parse(path.read_text(), str(path)))
    collect(module, module.tree.body, runtime=True)
    return module


def collect(module: Module, body: list[ast.stmt], *, runtime: bool) -> None:
    """Note every import: ``runtime`` ones happen while the module is loaded."""
    for node in body:
        for name, line in imported(node):
            module.imports.append((name, line))
            if runtime:
                module.runtime.add(name)
        typing_only = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for child in ("body", "orelse", "finalbody"):
            collect(module, getattr(node, child, []), runtime=runtime and not inside and not typing_only)
        for handler in getattr(node, "handlers", []):
            collect(module, handler.body, runtime=runtime)


def imported(node: ast.stmt) -> Iterator[tuple[str, int]]:
    if isinstance(node, ast.Import):
        yield from ((alias.name, node.lineno) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, f"relative import in line {node.lineno}"
        for alias in node.names:
            whole = f"{node.module}.{alias.name}"
            yield (whole if is_module(whole) else node.module or "", node.lineno)


def is_module(dotted: str) -> bool:
    path = ROOT.joinpath(*dotted.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


MODULES = [read(path) for path in PYTHON]


@pytest.fixture(params=MODULES, ids=lambda module: module.name)
def module(request: pytest.FixtureRequest) -> Module:
    return request.param


def own_imports(module: Module) -> Iterator[tuple[str, int]]:
    """What it imports from scrapekit itself, by the name below ``scrapekit.``."""
    for name, line in module.imports:
        if name.split(".")[0] == "scrapekit":
            yield name.partition(".")[2] or "__init__", line


def breaches(module: Module) -> list[str]:
    mine = FLOORS.get(module.room)
    found: list[str] = []
    if mine is None:  # which is told by its own test
        return found
    for name, line in own_imports(module):
        room = name.split(".")[0]
        floor = FLOORS.get(room)
        if floor is None:
            found.append(f"line {line}: {name} has no floor")
        elif floor > mine or (floor == mine and not are_neighbours(module.room, room)):
            found.append(f"line {line}: {module.name} (floor {mine}) imports {name} (floor {floor})")
    return found


def are_neighbours(room: str, other: str) -> bool:
    return room == other or FLOORS[room] in OPEN_FLOORS or other in NEIGHBOURS.get(room, ())


def test_every_module_has_a_floor(module):
    assert module.room in FLOORS, "say in FLOORS on which floor it stands"


def test_a_module_imports_only_from_floors_below(module):
    assert breaches(module) == []


def test_imports_do_not_go_in_circles():
    graph = {
        module.name: {name.partition(".")[2] for name in module.runtime if name.startswith("scrapekit.")}
        for module in MODULES
    }
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " → ".join((*path[path.index(name) :], name))
        if name not in done:
            for target in sorted(graph.get(name, ())):
                visit(target, (*path, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def test_each_foreign_library_has_one_owner(module):
    found = []
    for name, line in module.imports:
        top = name.split(".")[0]
        if top in OWNERS and not OWNERS[top] & module.owns:
            found.append(f"line {line}: {name} belongs to {sorted(OWNERS[top])}")
        if name in NOBODYS or top in NOBODYS:
            found.append(f"line {line}: {name} is used nowhere")
    assert found == []


def test_every_library_in_use_is_declared():
    project = tomli.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {line.split(">")[0].strip().lower() for line in project["dependencies"]}
    used = {name.split(".")[0] for module in MODULES for name, _ in module.imports}
    used = {"pydantic" if name == "pydantic_core" else name for name in used}  # pydantic's own engine comes with it
    foreign = used - set(sys.stdlib_module_names) - {"scrapekit"}
    optional = {"redis", "IPython", "cryptography", "pyarrow", "h2", "hpack", "hyperframe"}
    assert foreign - optional <= declared


def test_nobody_sleeps_but_those_who_may(module):
    found = [
        f"line {node.lineno}: {ast.unparse(node)}"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in {"time.sleep", "curio.sleep", "sleep"}
        # sleep(0) gives way to others and waits for nothing
        and not (ast.unparse(node.func) == "curio.sleep" and node.args and ast.unparse(node.args[0]) == "0")
    ]
    assert found == [] or SLEEPERS & module.owns


def broad_handlers(tree: ast.AST) -> Iterator[ast.ExceptHandler]:
    """Handlers that would swallow a bug: they catch everything, and do not raise again."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            caught = [ast.unparse(each) for each in getattr(node.type, "elts", [node.type]) if each is not None]
            everything = not caught or {"Exception", "BaseException"} & set(caught)
            if everything and not isinstance(node.body[-1], ast.Raise):
                yield node


def test_nobody_below_the_shell_catches_everything(module):
    found = [f"line {node.lineno}" for node in broad_handlers(module.tree)]
    assert found == [] or (SHELL | CATCHERS) & module.owns


def test_only_the_words_and_rules_are_free_of_await(module):
    if FLOORS.get(module.room, 3) > 2 or module.name == "kernel":
        return
    awaits = [node.lineno for node in ast.walk(module.tree) if isinstance(node, ast.Await | ast.AsyncWith)]
    assert awaits == [], "a decision awaits nothing; the clock and the facts are handed in"


def test_no_test_patches_what_it_tests():
    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in sorted((ROOT / "tests").rglob("*.py"))
        for name, _ in read(path, ROOT / "tests").imports
        if "mock" in name.split(".")
    ]
    assert found == []


# The checks themselves: each is shown a module that breaks it.


def fake(name: str, source: str) -> Module:
    module = Module(name, Path(name), ast.parse(source))
    collect(module, module.tree.body, runtime=True)
    return module


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("url", "from scrapekit.config import Limits"),
        ("http.pool", "import scrapekit.frontier.memory"),
        ("http.pool", "def late():\n    from scrapekit.scheduler import Scheduler"),
        ("config", "if TYPE_CHECKING:\n    from scrapekit.http.pool import Pool"),
        ("url", "import scrapekit.nowhere"),
    ],
)
def test_a_breach_of_the_floors_is_seen(name, source):
    assert len(breaches(fake(name, source))) == 1


def test_an_import_from_below_or_the_same_room_is_no_breach():
    assert breaches(fake("http.pool", "from scrapekit.url import split\nfrom scrapekit.http.dns import look_up")) == []


@pytest.mark.parametrize(
    "source",
    [
        "try:\n    x\nexcept Exception:\n    pass",
        "try:\n    x\nexcept:\n    pass",
        "try:\n    x\nexcept (OSError, BaseException) as e:\n    log(e)",
    ],
)
def test_a_handler_that_swallows_everything_is_seen(source):
    assert len(list(broad_handlers(ast.parse(source)))) == 1


def test_a_handler_that_raises_again_swallows_nothing():
    assert list(broad_handlers(ast.parse("try:\n    x\nexcept BaseException:\n    close()\n    raise"))) == []
