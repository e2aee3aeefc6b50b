"""What a page asks of robots, and what its owner says of the use of its content.

    meta robots, X-Robots-Tag            noindex, nofollow, noarchive …, for every robot or for one by its name
    Content-Signal                       ai-train, ai-input, search: yes or no (contentsignals.org)
    Content-Usage                        train-ai, ai-use, search: y or n (AIPREF, draft-ietf-aipref-attach and -vocab)
    tdm-reservation, tdm-policy          text and data mining: reserved or not (TDMRep)

The three vocabularies of use are read as one: AIPREF's ``train-ai`` is ``ai-train`` here, its ``ai-use`` is
``ai-input``, and TDMRep's reservation is ``tdm``. Where several say something, a no counts (AIPREF vocabulary,
"Combining Preferences").

Pure; knows neither responses nor robots.txt.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import Final

from scrapekit import structured
from scrapekit.headers import Headers
from scrapekit.markup import Tree

#: What is said of the use of content: a name, and whether that use is welcome.
Uses = Mapping[str, bool]

NO_USES: Final[Uses] = MappingProxyType({})
_NO_VALUES: Final[Mapping[str, str]] = MappingProxyType({})
_NO_WORDS: Final[frozenset[str]] = frozenset()

#: AIPREF's names, in the words of those who were first.
_ALIASES: Final = {"train-ai": "ai-train", "ai-use": "ai-input"}
_ANSWERS: Final = {"yes": True, "y": True, "no": False, "n": False}
#: Rules that take a value, after a colon; any other name before a colon is that of a robot.
_VALUED: Final = frozenset({"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"})
#: The fields and meta elements in which the use of content is spoken of.
_OF_USE: Final = ("content-signal", "content-usage", "tdm-reservation", "tdm-policy")
_FIELDS: Final = ("x-robots-tag", *_OF_USE)
_METAS: Final = frozenset({"robots", *_OF_USE})
_WEEKDAYS: Final = frozenset(("mon", "tue", "wed", "thu", "fri", "sat", "sun"))


@dataclass(frozen=True, slots=True)
class Directives:
    """What a page says. ``"noindex" in directives`` asks for a word, in lower case.

    ``values`` has the rules that take one, such as ``max-snippet``; ``uses`` what is said of the use of the content:
    ``ai-train``, ``ai-input``, ``search`` and ``tdm``, each True, False or not there. ``tdm_policy`` is where terms for
    text and data mining can be read.
    """

    words: frozenset[str] = _NO_WORDS
    values: Mapping[str, str] = field(default_factory=lambda: _NO_VALUES)
    uses: Uses = field(default_factory=lambda: NO_USES)
    tdm_policy: str | None = None

    def __contains__(self, word: object) -> bool:
        return word in self.words

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self.words))

    def __bool__(self) -> bool:
        return bool(self.words or self.values or self.uses or self.tdm_policy)

    @property
    def noindex(self) -> bool:
        """Whether the page is not to be shown to others."""
        return "noindex" in self.words

    @property
    def nofollow(self) -> bool:
        """Whether none of the page's links is to be followed."""
        return "nofollow" in self.words

    @property
    def noarchive(self) -> bool:
        """Whether no copy is to be kept for others; Bing spells it ``nocache``."""
        return "noarchive" in self.words or "nocache" in self.words

    @property
    def unavailable_after(self) -> datetime | None:
        """After when the page is not to be shown any more; a date without a zone is in UTC."""
        return _date(self.values.get("unavailable_after", ""))

    def expired(self, now: float) -> bool:
        """Whether ``unavailable_after`` has passed; ``now`` in seconds since the epoch."""
        after = self.unavailable_after
        return after is not None and after.timestamp() < now


NOTHING: Final = Directives()


def of_page(tree: Tree, headers: Headers, agent: str = "", uses: Uses = NO_USES) -> Directives:
    """What a page and its header fields say to the robot of this name.

    ``uses`` is what robots.txt says of the use of its content.
    """
    return read(metas(tree, agent), headers, agent, uses)


def metas(tree: Tree, agent: str = "") -> list[tuple[str, str]]:
    """Name (in lower case) and content of the meta elements that are for robots."""
    found = []
    agent = agent.lower()
    for node in tree.tags("meta"):
        attrs = node.attrs
        name = attrs.sget("name", "").strip().lower()
        if name and (name in _METAS or name == agent):
            found.append((name, attrs.sget("content", "")))
    return found


def read(metas: Iterable[tuple[str, str]], headers: Headers, agent: str = "", uses: Uses = NO_USES) -> Directives:
    """``of_page`` with the meta elements as ``metas`` gives them."""
    found = list(metas)
    if not found and not any(name in headers for name in _FIELDS):
        return Directives(uses=uses) if uses else NOTHING
    rules = [rule for text in headers.get_all("x-robots-tag") for rule in _rules(text, agent.lower())]
    rules += [rule for name, content in found if name not in _OF_USE for rule in _rules(content, None)]
    return _made(rules, _uses(found, headers, uses), _first("tdm-policy", found, headers) or None)


# ---- words and rules with a value ----


def _rules(text: str, agent: str | None) -> Iterator[tuple[str, str]]:
    """The rules of one field, each with its value, that are for every robot or for ours.

    A robot's name and a colon begin what is for that robot alone. Where ``agent`` is None there are no such names.
    """
    ours = True
    parts = iter(text.split(","))
    for part in parts:
        name, colon, value = (each.strip() for each in part.partition(":"))
        name = name.lower()
        if colon and name not in _VALUED and agent is not None:
            ours = name == agent
            name, colon, value = (each.strip() for each in value.partition(":"))
            name = name.lower()
        if name == "unavailable_after" and value[:3].lower() in _WEEKDAYS and value.isalpha():
            value = f"{value},{next(parts, '')}"
        if name and ours:
            yield name, value


def _made(rules: Iterable[tuple[str, str]], uses: Uses, policy: str | None) -> Directives:
    words: set[str] = set()
    values: dict[str, str] = {}
    for name, value in rules:
        if value and name in _VALUED:
            values.setdefault(name, value)
        elif not value:
            words.add(name)
    if "none" in words:
        words |= {"noindex", "nofollow"}
    return Directives(frozenset(words), values or _NO_VALUES, uses, policy)


def _date(text: str) -> datetime | None:
    for parsed in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            date = parsed(text)
        except (ValueError, OverflowError):
            continue
        return date if date.tzinfo else date.replace(tzinfo=UTC)
    return None


# ---- the use of the content ----


def content_signal(text: str) -> dict[str, bool]:
    """The signals of a Content-Signal field or line, such as ``search=yes, ai-train=no``."""
    pairs = (part.partition("=") for part in text.lower().split(","))
    return _named((name.strip(), value.strip()) for name, _, value in pairs)


def content_usage(text: str) -> dict[str, bool]:
    """The preferences of a Content-Usage field or rule, such as ``train-ai=n``; none if it is no dictionary."""
    members = structured.dictionary(text) or {}
    return _named((name, value) for name, value in members.items() if value in ("y", "n"))


def combined(*said: Uses) -> Uses:
    """What several say together: a no counts before a yes."""
    uses: dict[str, bool] = {}
    for each in said:
        for name, welcome in each.items():
            uses[name] = uses.get(name, True) and welcome
    return uses or NO_USES


def _named(pairs: Iterable[tuple[str, str]]) -> dict[str, bool]:
    return dict(combined(*({_ALIASES.get(name, name): _ANSWERS[value]} for name, value in pairs if value in _ANSWERS)))


def _uses(metas: list[tuple[str, str]], headers: Headers, robots: Uses) -> Uses:
    said = [robots, content_signal(",".join(headers.get_all("content-signal")))]
    said.append(content_usage(", ".join(headers.get_all("content-usage"))))
    said += [content_signal(content) for name, content in metas if name == "content-signal"]
    said += [content_usage(content) for name, content in metas if name == "content-usage"]
    # What the page says of mining goes before what its header says (TDMRep, "processing priority").
    reserved = _first("tdm-reservation", metas, headers)
    if reserved in ("0", "1"):
        said.append({"tdm": reserved == "0"})
    return combined(*said)


def _first(wanted: str, metas: list[tuple[str, str]], headers: Headers) -> str:
    found = next((content for name, content in metas if name == wanted), None)
    return (headers.get(wanted, "") if found is None else found).strip()


# ---- the decision ----

#: What may be respected: words, and uses that are not welcome.
WISHES: Final = (
    "noindex", "noarchive", "nosnippet", "noimageindex", "notranslate", "noai", "noimageai",
    "ai-train=n", "ai-input=n", "search=n", "tdm=n",
)  # fmt: skip


def wish(text: str) -> str:
    """One entry of a list of what is respected, in our words: ``noindex``, or a use and ``=n``, such as ``ai-train=n``.

    Raises ValueError.
    """
    name, equals, value = text.strip().lower().partition("=")
    known = f"{_ALIASES.get(name, name)}=n" if equals and _ANSWERS.get(value) is False else name + equals + value
    if known not in WISHES:
        raise ValueError(f"must be one of {', '.join(WISHES)}")
    return known


def refusal(directives: Directives, wishes: Iterable[str], now: float) -> str | None:
    """The first wish (see ``wish``) by which nothing is to be kept of a page; None if it may be.

    A page past its ``unavailable_after`` counts as *noindex*. ``now`` in seconds since the epoch.
    """
    if not directives:
        return None
    for each in wishes:
        name, equals, _ = each.partition("=")
        if equals:
            if directives.uses.get(name) is False:
                return each
        elif name in directives.words or (name == "noarchive" and directives.noarchive):
            return each
        elif name == "noindex" and directives.expired(now):
            return "unavailable_after"
    return None
