"""The shop's books: 1,000 in the catalogue, and a few special editions that only the front page leads to.

Everything follows from the seed. Knows no HTML and no HTTP.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Final

from scrapekit.demo import vocabulary as words
from scrapekit.demo.dice import Dice

#: The one book whose price is not a number: it costs a spider exactly one rejected item.
ON_REQUEST: Final = 614

#: The special editions by number. Some are reached only after something that happens on the real web.
SPECIALS: Final = {
    1001: "The Bookseller's Almanac",
    1002: "A Pocket Atlas of Imaginary Islands",
    1003: "The Slow Reader's Companion",
    1004: "Back in a Minute",
    1005: "The Collected Footnotes",
    1006: "Forty Bookplates for Borrowed Books",
}
SLOW: Final = 1003  # its page takes its time
BUSY: Final = 1004  # its page is refused at first, with a Retry-After
OF_THE_WEEK: Final = 1005  # its page is linked by a redirect

_BINDINGS: Final = ("Paperback", "Paperback", "Hardback", "Clothbound")
_PENCE: Final = (99, 99, 50, 49, 25, 0, 95)
#: rating      1  2  3  4  5, by how many of 20 books have it
_RATINGS: Final = (1,) * 1 + (2,) * 3 + (3,) * 6 + (4,) * 7 + (5,) * 3


@dataclass(frozen=True, slots=True)
class Category:
    """A shelf of the shop."""

    name: str
    slug: str


@dataclass(frozen=True, slots=True)
class Book:
    """One book. ``pence`` is None where the price is on request; ``stock`` is how many are left."""

    number: int
    title: str
    author: str
    category: Category
    pence: int | None
    rating: int
    stock: int
    upc: str
    pages: int
    year: int
    binding: str
    blurb: str

    @property
    def slug(self) -> str:
        """How its page is named."""
        return f"{self.number}-{slug(self.title)}"

    @property
    def price(self) -> str:
        """As printed on the label."""
        return "Price on request" if self.pence is None else f"£{self.pence // 100}.{self.pence % 100:02}"


@cache
def catalogue() -> tuple[Book, ...]:
    """The 1,000 books in the order of their numbers, 1 to 1,000."""
    shelves = [shelf for shelf in words.SHELVES for _ in range(shelf.size)]
    mixed = sorted(range(len(shelves)), key=lambda place: Dice("shuffle", place).below(1 << 64))
    taken: set[str] = set()
    return tuple(_book(n, shelves[place], _title(n, shelves[place], taken)) for n, place in enumerate(mixed, 1))


@cache
def specials() -> dict[int, Book]:
    """The special editions by number."""
    return {
        number: _book(number, Dice("special", number).of(words.SHELVES), title) for number, title in SPECIALS.items()
    }


@cache
def categories() -> dict[str, Category]:
    """The shelves by slug, in alphabetical order."""
    return {slug(name): Category(name, slug(name)) for name in sorted(shelf.name for shelf in words.SHELVES)}


@cache
def shelved(category: Category) -> tuple[Book, ...]:
    """The books of one category."""
    return tuple(book for book in catalogue() if book.category is category)


def book(number: int) -> Book | None:
    """The book of that number, if there is one."""
    return catalogue()[number - 1] if 1 <= number <= len(catalogue()) else specials().get(number)


def related(this: Book) -> tuple[Book, ...]:
    """Four others of its category."""
    shelf = [other for other in shelved(this.category) if other is not this]
    start = Dice("related", this.number).below(len(shelf))
    return tuple((shelf + shelf)[start : start + 4])


def slug(text: str) -> str:
    """The text as a part of a path."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower().replace("'", "")).strip("-")


def _title(number: int, shelf: words.Shelf, taken: set[str]) -> str:
    attempt = 0
    while (title := _drawn(Dice("title", number, attempt), shelf)) in taken:
        attempt += 1
    taken.add(title)
    return title


def _drawn(dice: Dice, shelf: words.Shelf) -> str:
    noun, other = dice.two(shelf.nouns)
    title = dice.of(shelf.titles).format(
        a=dice.of(shelf.adjectives),
        n=noun,
        m=other,
        ns=_plural(noun),
        ms=_plural(other),
        p=dice.of(words.PLACES),
        f=dice.of(words.FIRST_NAMES),
    )
    return re.sub(r"\b([Aa]) (?=[AEIOU])(?!Us|Uni|One)", r"\1n ", title)


def _plural(noun: str) -> str:
    if noun.endswith(("s", "x", "ch", "sh", "o")):
        return noun + "es"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + "s"


def _book(number: int, shelf: words.Shelf, title: str) -> Book:
    dice = Dice("book", number)
    pounds = dice.between(5, 24) if dice.chance(80) else dice.between(25, 59)
    return Book(
        number=number,
        title=title,
        author=_authors()[dice.below(len(_authors()))],
        category=categories()[slug(shelf.name)],
        pence=None if number == ON_REQUEST else pounds * 100 + dice.of(_PENCE),
        rating=dice.of(_RATINGS),
        stock=0 if dice.chance(12) else dice.between(1, 22),
        upc=_upc(dice),
        pages=dice.between(6, 44) * 16,
        year=dice.between(1961, 2024),
        binding=dice.of(_BINDINGS),
        blurb=_blurb(dice, shelf, title),
    )


@cache
def _authors() -> tuple[str, ...]:
    drawn = (Dice("author", n) for n in range(260))
    return tuple(dict.fromkeys(f"{dice.of(words.FIRST_NAMES)} {dice.of(words.SURNAMES)}" for dice in drawn))


def _blurb(dice: Dice, shelf: words.Shelf, title: str) -> str:
    here, there = dice.two(words.PLACES)
    hero, role, find = dice.of(words.FIRST_NAMES), dice.of(words.ROLES), dice.of(words.FINDS)
    here = next((place for place in words.PLACES if place in title and place != there), here)
    hero = next((name for name in words.FIRST_NAMES if name in title.split()), hero)
    facts = {"f": hero, "r": role, "x": find, "p": here, "q": there, "t": shelf.name.lower()}
    told = _STORY if shelf.story else _SUBJECT
    return " ".join(dice.of(sentences).format(**facts) for sentences in told)


_STORY: Final = (words.STORY_OPENINGS, words.STORY_MIDDLES, words.STORY_ENDINGS)
_SUBJECT: Final = (words.SUBJECT_OPENINGS, words.SUBJECT_MIDDLES, words.SUBJECT_ENDINGS)


def _upc(dice: Dice) -> str:
    """Eleven digits and the check digit of a Universal Product Code."""
    digits = f"{dice.below(10**11):011}"
    weighted = 3 * sum(map(int, digits[::2])) + sum(map(int, digits[1::2]))
    return f"{digits}{-weighted % 10}"
