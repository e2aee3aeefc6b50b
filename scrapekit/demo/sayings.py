"""The quotes site's content: a hundred sayings that nobody ever said, and the people who did not say them.

Everything follows from the seed. Knows no HTML and no HTTP.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Final

from scrapekit.demo import vocabulary as words
from scrapekit.demo.catalogue import slug
from scrapekit.demo.dice import Dice

QUOTES: Final = 100
PEOPLE: Final = 24

#: What a saying is about (also its tag), and what its kind is called (its second tag).
VIRTUES: Final = (
    "patience", "curiosity", "courage", "kindness", "honesty", "humour", "silence", "memory", "friendship",
    "attention", "modesty", "hope", "doubt", "wonder", "generosity", "punctuality", "work", "solitude",
)  # fmt: skip
_IMAGES: Final = (
    "a lamp that lights the stairs behind you",
    "a coat that fits better every winter",
    "a bridge that is always built from the far bank",
    "a door that only opens inwards",
    "a loan that nobody remembers making",
    "a garden that is watered at night",
    "the only luggage that gets lighter on the way",
    "a clock without hands: it still ticks",
    "a ladder that has to be carried to where it is needed",
    "bread: it does not keep, so bake some every day",
    "a language with no word for hurry",
    "a window that somebody else has to clean",
    "a guest who brings the chairs",
    "the last train, and it waits for nobody who runs",
    "a stove: stand near it, but do not sit on it",
    "a song with a rest in the right place",
    "a well that gets deeper by being used",
    "a stitch on the inside of the sleeve",
    "a road that begins at the kitchen table",
    "the weather of the mind, and should be dressed for",
    "an oar: it takes two to go straight",
    "a candle that is not afraid of being lit by another",
)
_ACTS: Final = (
    "mend one thing that you did not break",
    "answer the letter that you have been walking around",
    "ask the question again, more slowly",
    "sit down before you are tired",
    "lend a book that you would rather keep",
    "let the kettle boil twice",
    "learn the name of the person who sweeps the street",
    "read the last page of the instructions",
    "leave the house without a reason",
    "say thank you to somebody who will be embarrassed by it",
)
_PEOPLE_WHO: Final = (
    "who counts the steps", "who never lost a map", "who waters other people's plants", "who keeps the small change",
    "who laughs before the end of the story", "who closes doors quietly", "who always sits by the exit",
    "who reads in the bath", "who whistles in the dark", "who returns a borrowed umbrella",
)  # fmt: skip
_FATES: Final = (
    "seldom sees the view", "will be asked for directions all their life", "has nothing to prove to the weather",
    "knows what the floor is worth", "arrives twice", "is missed before they leave", "makes a good neighbour",
    "has met themselves coming back", "need not explain the moon", "will hear the good news last, and best",
)  # fmt: skip
_WITHOUT: Final = (
    "a kettle without water: soon loud, and then ruined",
    "a boat without a bucket",
    "a library with the lights off",
    "an orchestra of conductors",
    "a letter without an address",
    "a soup without salt: filling, and soon forgotten",
    "a map drawn by somebody who stayed at home",
    "a bell under a blanket",
)
#: kind     the saying; {v} and {w} are virtues, {V} one at the start of the sentence
_SAYINGS: Final = (
    ("images", "{V} is {image}."),
    ("advice", "If you want to find {v}, {act}."),
    ("people", "The one {who} {fate}."),
    ("images", "{V} is {image}."),
    ("images", "Some say that {v} is {image}; I have found the same of {w}."),
    ("images", "{V} without {w} is {without}."),
    ("advice", "First {act}; then we can talk about {v}."),
    ("people", "Never lend your {v} to the one {who}."),
    ("comparisons", "There is more {v} in an empty chair than {w} in a full room."),
    ("comparisons", "Half of {v} is {w}, and the other half is getting up early."),
    ("comparisons", "{V} asks why, and {w} asks who is going to carry it."),
    ("comparisons", "I have met {v} on the stairs and {w} at the bus stop, but never both in one house."),
    ("comparisons", "You can borrow {v} from a friend; {w} has to be grown at home."),
    ("people", "Show me the one {who}, and I will show you a lesson in {v}."),
    ("comparisons", "Everyone praises {v} until it asks for the bill; {w} pays and says nothing."),
)
_BIOS: Final = (
    "{f} was born above a shop in {p} and claimed to have learnt everything from its customers.",
    "The youngest of nine, {f} left {p} with a borrowed suitcase and came back with three.",
    "{f} worked in {p} as {r} and wrote only on Sundays, in pencil.",
    "Nothing is known of {f}'s early years but that {p} was too small for them.",
)
_LATER: Final = (
    "The sayings were found on the backs of receipts and published by a nephew.",
    "Later in life came a move to {q}, a small house and a large dog.",
    "A bench in {q} carries the name, though it is spelt wrongly.",
    "The collected works fill one slim volume and eleven boxes in {q}.",
)


@dataclass(frozen=True, slots=True)
class Person:
    """Who is said to have said it."""

    name: str
    role: str
    born: str
    place: str
    bio: str

    @property
    def slug(self) -> str:
        """How the page is named."""
        return slug(self.name)


@dataclass(frozen=True, slots=True)
class Quote:
    """One saying, without quotation marks."""

    text: str
    author: Person
    tags: tuple[str, ...]


@cache
def people() -> dict[str, Person]:
    """The authors by slug."""
    drawn: dict[str, Person] = {}
    draw = 0
    while len(drawn) < PEOPLE:
        person = _person(Dice("person", draw))
        drawn.setdefault(person.slug, person)
        draw += 1
    return dict(sorted(drawn.items()))


@cache
def quotes() -> tuple[Quote, ...]:
    """The sayings in their order, no two alike."""
    drawn: dict[str, Quote] = {}
    draw = 0
    while len(drawn) < QUOTES:
        quote = _quote(Dice("quote", draw))
        drawn.setdefault(quote.text, quote)
        draw += 1
    return tuple(drawn.values())


@cache
def tagged() -> dict[str, tuple[Quote, ...]]:
    """The sayings by tag, the tags in alphabetical order."""
    tags = sorted({tag for quote in quotes() for tag in quote.tags})
    return {tag: tuple(quote for quote in quotes() if tag in quote.tags) for tag in tags}


def said_by(person: Person) -> tuple[Quote, ...]:
    """The sayings of one person."""
    return tuple(quote for quote in quotes() if quote.author is person)


def _quote(dice: Dice) -> Quote:
    kind, saying = dice.of(_SAYINGS)
    one, other = dice.two(VIRTUES)
    text = saying.format(
        V=one.capitalize(),
        v=one,
        w=other,
        image=dice.of(_IMAGES),
        act=dice.of(_ACTS),
        who=dice.of(_PEOPLE_WHO),
        fate=dice.of(_FATES),
        without=dice.of(_WITHOUT),
    )
    about = [virtue for virtue in (one, other) if re.search(rf"\b{virtue}\b", text, re.IGNORECASE)]
    return Quote(text, dice.of(tuple(people().values())), (*about, kind))


def _person(dice: Dice) -> Person:
    first = dice.of(words.FIRST_NAMES)
    here, there = dice.two(words.PLACES)
    role = dice.of(words.ROLES)
    facts = {"f": first, "p": here, "q": there, "r": role}
    return Person(
        name=f"{first} {dice.of(words.SURNAMES)}",
        role=role.removeprefix("a ").removeprefix("an "),
        born=f"{dice.between(1, 28)} {dice.of(_MONTHS)} {dice.between(1781, 1932)}",
        place=here,
        bio=f"{dice.of(_BIOS).format(**facts)} {dice.of(_LATER).format(**facts)}",
    )


_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
