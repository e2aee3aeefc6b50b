"""The words from which the shop's books are made up. All of it was written for this shop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Shelf:
    """A category: how many books it has, how their titles are built, and from which words.

    In a title ``{a}`` is an adjective, ``{n}`` and ``{m}`` are two nouns (``{ns}`` and ``{ms}`` their plurals), ``{p}``
    is a place, ``{f}`` a first name.
    """

    name: str
    size: int
    story: bool  # its blurbs tell of people, not of a subject
    titles: tuple[str, ...]
    adjectives: tuple[str, ...]
    nouns: tuple[str, ...]


def _words(text: str) -> tuple[str, ...]:
    """Words that are written as one text, with commas between them."""
    return tuple(word.strip() for word in text.split(","))


SHELVES: Final = (
    Shelf(
        "Crime",
        110,
        True,
        ("The {a} {n}", "Murder at {p}", "A {n} for {f}", "The {p} {n}", "The {n} and the {m}"),
        _words("Silent, Borrowed, Seventh, Locked, Crooked, Forgotten, Cold, Wrong, Patient, Missing, Second, Paper"),
        _words("Witness, Alibi, Ferryman, Ledger, Lodger, Photograph, Inspector, Verdict, Cellar, Telegram, Passenger"),
    ),
    Shelf(
        "Sea Stories",
        90,
        True,
        ("The {a} {n}", "{n} and {m}", "The Last {n} of {p}", "{f} and the {n}"),
        _words("Salt, Northern, Drowned, Restless, Copper, Becalmed, Grey, Homeward, Windward, Lonely, Painted, Deep"),
        _words("Harbour, Keel, Lantern, Tide, Pilot, Anchor, Lighthouse, Mutiny, Compass, Reef, Sailmaker, Current"),
    ),
    Shelf(
        "History",
        80,
        False,
        ("A History of the {n}", "The {a} {n}", "{n} and {m}: A History", "The {n} That Changed {p}"),
        _words("Forgotten, Long, Hungry, Golden, Divided, Paper, Iron, Uncertain, Shared, Unwritten, Early, Broken"),
        _words("Button, Bridge, Parliament, Road, Harvest, Market, Almanac, Canal, Guild, Siege, Spoon, Frontier"),
    ),
    Shelf(
        "Fantasy",
        72,
        True,
        ("The {n} of {p}", "The {a} {n}", "A {n} of {ms}", "{f} and the {a} {n}"),
        _words(
            "Hollow, Silver, Sleeping, Burning, Nameless, Ninth, Thorned, Glass, Wandering, Unsworn, Moonlit, Bitter"
        ),
        _words("Crown, Dragon, Oath, Tower, Mirror, Witch, Feather, Sword, Giant, Gate, Riddle, Raven"),
    ),
    Shelf(
        "Travel",
        66,
        False,
        ("On Foot Through {p}", "The {a} {n} to {p}", "A Winter in {p}", "Letters from {p}", "{ns} of {p}"),
        _words("Slow, Night, Last, Wrong, Long, Early, Cheap, Scenic, Empty, Southern, Stopping, Roundabout"),
        _words("Train, Ferry, Road, Bicycle, Footpath, Tram, Bus, Station, Map, Valley, Coast, Border"),
    ),
    Shelf(
        "Cookery",
        62,
        False,
        ("The {a} Kitchen", "{n} and {m}", "A Year of {n}", "Simply {n}", "{n}: {a} Recipes"),
        _words("Frugal, Sunday, Slow, Smoky, Quick, Generous, Midweek, Winter, Green, Unhurried, Country, One-Pan"),
        _words("Onions, Butter, Rye, Plums, Lentils, Smoke, Salt, Apples, Barley, Honey, Mustard, Walnuts"),
    ),
    Shelf(
        "Poetry",
        58,
        True,
        ("{n} and {m}", "The {a} {n}", "Poems for the {n}", "Eleven {ns}", "{a} {n}"),
        _words("Blue, Small, Unfinished, Slow, Quiet, Second, Open, Bright, Inward, Common, Late, Wild"),
        _words("Window, Sparrow, Orchard, River, Ladder, Hour, Candle, Thistle, Letter, Meadow, Echo, Snow"),
    ),
    Shelf(
        "Science",
        54,
        False,
        ("The {a} {n}", "How a {n} Works", "{ns}, {ms} and Us", "The Secret Life of the {n}"),
        _words(
            "Curious, Invisible, Counting, Unlikely, Restless, Simple, Magnetic, Slow, Improbable, Living, Noisy, Fifth"
        ),
        _words("Neuron, Magnet, Crystal, Comet, Cell, Lens, Number, Isotope, Spectrum, Virus, Orbit, Molecule"),
    ),
    Shelf(
        "Romance",
        50,
        True,
        ("The {a} {n}", "{f} and the {n}", "A {n} in {p}", "Love and the {n}"),
        _words("Second, Summer, Reluctant, Secret, Careless, Tender, Unsent, Borrowed, Winter, Late, Perfect, Runaway"),
        _words(
            "Waltz, Florist, Letter, Duchess, Promise, Baker, Wedding, Garden, Violinist, Bookseller, Proposal, Kiss"
        ),
    ),
    Shelf(
        "Nature",
        48,
        False,
        ("The {a} {n}", "A Field Guide to the {n}", "{n} and {m}", "The {ns} of {p}", "In Search of the {n}"),
        _words("Patient, Wild, Hidden, Shy, Winter, Returning, Upland, Unseen, Common, Nesting, Singing, Ancient"),
        _words("Heron, Hedgehog, Oak, Otter, Fern, Swift, Badger, Lichen, Newt, Curlew, Moth, Beech"),
    ),
    Shelf(
        "Biography",
        44,
        False,
        ("{f}: The {a} {n}", "The {a} {n}", "My Life as a {n}", "{f} of {p}", "The {n}'s Child"),
        _words(
            "Accidental, Reluctant, Last, Honest, Unquiet, Self-Taught, Forgotten, Other, Improbable, Stubborn, Modest"
        ),
        _words("Clockmaker, Actress, Surgeon, Botanist, Boxer, Composer, Engineer, Gardener, Diplomat, Printer, Pilot"),
    ),
    Shelf(
        "Ghost Stories",
        42,
        True,
        ("The {a} {n}", "The {n} at {p}", "What the {n} Saw", "A {n} After Midnight"),
        _words(
            "Empty, Whispering, Upstairs, Pale, Thirteenth, Listening, Shuttered, Crooked, Unlit, Patient, Buried, Cold"
        ),
        _words("Nursery, Staircase, Mirror, Chapel, Portrait, Visitor, Attic, Well, Governess, Clock, Doll, Corridor"),
    ),
    Shelf(
        "Children",
        40,
        True,
        ("{f} and the {a} {n}", "The {a} {n}", "Good Night, {n}", "The {n} Who Lost a {m}"),
        _words(
            "Enormous, Upside-Down, Sleepy, Purple, Grumpy, Tiny, Flying, Wobbly, Invisible, Hungry, Polite, Very Old"
        ),
        _words("Elephant, Teapot, Dragon, Balloon, Penguin, Sock, Submarine, Hedgehog, Umbrella, Badger, Robot, Moon"),
    ),
    Shelf(
        "Gardening",
        38,
        False,
        ("The {a} Garden", "Growing {n}", "{n} and {m}", "A Year with {n}", "{n} for {a} Gardens"),
        _words("Small, Shady, Dry, Walled, Lazy, Wild, Edible, Wet, Windy, Rooftop, Winter, Cottage"),
        _words("Roses, Beans, Tulips, Ferns, Quinces, Herbs, Lavender, Dahlias, Pears, Mosses, Squashes, Hedges"),
    ),
    Shelf(
        "Philosophy",
        34,
        False,
        ("On {n}", "{n} and {m}", "The {a} Idea of {n}", "Against {n}", "A {a} Guide to {n}"),
        _words(
            "Simple, Dangerous, Useful, Modest, Stubborn, Modern, Plain, Troubling, Short, Cheerful, Old, Practical"
        ),
        _words("Doubt, Certainty, Silence, Boredom, Kindness, Chance, Work, Forgetting, Beauty, Habit, Envy, Time"),
    ),
    Shelf(
        "Art",
        30,
        False,
        ("The {a} {n}", "How to Look at a {n}", "{n} and {m}", "The {ns} of {p}", "Colour and the {n}"),
        _words("Unfinished, Blue, Patient, Folded, Painted, Carved, Modern, Stolen, Paper, Vanishing, Honest, Gilded"),
        _words(
            "Portrait, Woodcut, Fresco, Landscape, Mosaic, Poster, Sculptor, Tapestry, Sketchbook, Statue, Brush, Frame"
        ),
    ),
    Shelf(
        "Music",
        26,
        False,
        ("The {a} {n}", "{n} and {m}", "A Life in {ns}", "How to Hear a {n}", "The {p} {n}"),
        _words(
            "Unfinished, Second, Left-Handed, Silent, Brass, Late, Stolen, Well-Tuned, Midnight, Borrowed, Last, Loud"
        ),
        _words("Fugue, Trumpet, Cello, Chorus, Sonata, Organ, Ballad, Quartet, Metronome, Overture, Fiddle, Waltz"),
    ),
    Shelf(
        "Craft",
        22,
        False,
        ("The {a} {n}", "{n} and {m}", "Mending a {n}", "Make Your Own {n}", "{ns} from {p}"),
        _words("Patchwork, Handmade, Simple, Weekend, Mended, Woven, Plain, Knotted, Useful, Carved, Stitched, Slow"),
        _words("Basket, Quilt, Chair, Jug, Rug, Jumper, Box, Candle, Kite, Spoon, Binding, Loom"),
    ),
    Shelf(
        "Sport",
        18,
        False,
        ("The {a} {n}", "{f} and the {n}", "The {p} {n}", "A {n} Too Far"),
        _words("Extra, Muddy, Last, Loneliest, Beautiful, Away, Lost, Golden, Amateur, Early, Third, Uphill"),
        _words("Mile, Goalkeeper, Relay, Innings, Regatta, Marathon, Referee, Climb, Derby, Peloton, Final, Race"),
    ),
    Shelf(
        "Business",
        16,
        False,
        ("The {a} {n}", "The {n} and the {m}", "Small {n}, Big {m}", "The {p} {n}"),
        _words("Honest, Slow, Second, Empty, Reluctant, Four-Day, Patient, Quiet, Last, Profitable, Plain, Friendly"),
        _words(
            "Meeting, Ledger, Shop, Invoice, Bargain, Factory, Market, Contract, Customer, Company, Discount, Merger"
        ),
    ),
)

PLACES: Final = _words(
    "Saltwick, Marlford, Thornness, Westermouth, Larchcombe, Emberley, Quarryhead, Greystead, Hollowbury, Ashmarsh, "
    "Fennimoor, Lower Tarn, Castle Wrey, Port Sorrel, Little Averby, Upper Dunnock, Kestrel Bay, Old Harrow Lane, "
    "Brackwater, Winterholm, Nettlecote, Sandrigg, Orrin Vale, Pellmouth, Cold Ember Down, Tallow Street"
)
FIRST_NAMES: Final = _words(
    "Ada, Agnes, Ambrose, Anselm, Beatrix, Caspian, Cecily, Clement, Cormac, Delphine, Dorothea, Edmund, Elspeth, "
    "Fenella, Gideon, Greta, Hester, Ida, Imogen, Isidore, Jasper, Juno, Leopold, Lorcan, Mabel, Magnus, Marigold, "
    "Mirabel, Nathaniel, Octavia, Orla, Percival, Philippa, Quentin, Rosalind, Rufus, Sabine, Thaddeus, Una, Verity, "
    "Wilfred, Winifred, Zadie"
)
SURNAMES: Final = _words(
    "Abernethy-Cole, Ashgrove, Barleycorn, Birdwhistle, Blackthorne, Brambley, Calloway-Finch, Candlewick, Coldstream, "
    "Cropperly, Dunmorrow, Elderfield, Fallowby, Farthingale, Fennick, Foxcombe, Garrowby, Gillyflower, Greenhalge, "
    "Hartsease, Haythorn, Hollowell, Inkpenny, Jessamy, Kettlewick, Kilbracken, Larkspur, Lindqvist-Moor, Longacre, "
    "Marchbanks, Merriwick, Mossgrave, Nightjar, Oakhanger, Ollerenshaw, Pemberwick, Pennyfeather, Quillfeather, "
    "Ravensdale, Rookhope, Saltmarsh, Silverlock, Skylark, Stillwater, Swallowfield, Tanglewood, Thistledown, "
    "Underhill, Vintner, Wagstaffe, Weatherby, Whitlow, Windrush, Wolfendale, Woolcroft, Yarrow, Yellowlees"
)

ROLES: Final = _words(
    "a retired bell-ringer, a night nurse, a disgraced cartographer, a piano tuner, a lighthouse inspector, "
    "a country vet, an apprentice bookbinder, a reluctant heiress, a ferry captain, a village postmistress, "
    "a failed magician, a schoolteacher, a clock repairer, a beekeeper, a travelling optician, a young stonemason"
)
FINDS: Final = _words(
    "a letter addressed to nobody, a key that fits every door but one, a photograph with one face cut out, "
    "a trunk full of somebody else's clothes, a map of a street that does not exist, a diary written backwards, "
    "a stranger asleep in the kitchen, a ring in a loaf of bread, a boat with no name, a clock that runs only at night"
)
#: {f} is a name, {r} a role, {p} and {q} are places, {x} is something found.
STORY_OPENINGS: Final = (
    "When {f}, {r}, finds {x}, the quiet of {p} is over.",
    "{f} came to {p} to be left alone, and then there was {x}.",
    "All {f} wanted, being {r}, was one ordinary summer in {p}.",
    "Nobody in {p} believes {f}, {r}, until the morning of {x}.",
    "It begins in {p} with {x}, and with {f}, {r}, who ought to have walked on.",
    "For thirty years {f} has kept one secret about {p}.",
)
STORY_MIDDLES: Final = (
    "What follows leads from {p} to {q} and back, and spares nobody.",
    "The answer lies in {q}, where the trains no longer stop.",
    "But in {q} somebody has been waiting for just this.",
    "Between {p} and {q} there are eleven miles, two lies and a river in flood.",
    "Soon half of {q} is looking for the other half.",
    "By the first frost, three people will have changed their names.",
)
STORY_ENDINGS: Final = (
    "A tale of loyalty, weather and bad decisions.",
    "Funny where it can be and honest where it must be.",
    "To be read in one sitting, with the lamp on.",
    "The ending will divide any book club.",
    "A debut with the patience of a much older book.",
    "You will not look at a teacup in the same way.",
)
#: {f} is a name, {r} a role, {p} and {q} are places, {t} is the category.
SUBJECT_OPENINGS: Final = (
    "Most books on the subject begin in a library; this one begins in the rain, in {p}.",
    "{f} has spent twenty years asking one question, and this is the answer.",
    "Why does nobody write plainly about this? {f}, once {r}, does.",
    "A shelf of {t} is not complete without a book that starts an argument.",
    "In {p} they still tell the story of how this book came to be written.",
    "Everything you were taught about it was true, says {f}, only in the wrong order.",
)
SUBJECT_MIDDLES: Final = (
    "There are twelve chapters, each of which can be read on a bus.",
    "With forty drawings by the author, nine of them to scale.",
    "It draws on the archives of {p} and {q}, which nobody had opened for a century.",
    "Along the way we meet {r} from {q}, who got there first.",
    "The chapter on {q} alone is worth the price.",
    "It wears its learning lightly and its boots muddy.",
)
SUBJECT_ENDINGS: Final = (
    "For beginners, and for those who thought they were not.",
    "An index of unusual charm completes the volume.",
    "Now revised, with the errors of the first edition kept as an appendix.",
    "You will want to read parts of it aloud.",
    "Clear, kind and never dull.",
    "The kind of book that gets lent and does not come back.",
)
