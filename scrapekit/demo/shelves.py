"""The parts of the shop's pages that show books: cards, labels, rows of covers, the list of categories."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from scrapekit.demo import catalogue as books
from scrapekit.demo.catalogue import Book, Category
from scrapekit.demo.markup import Place

GONE: Final = "/book/0-the-vanished-library"
MEMBERS: Final = "/members/first-look"
WEEK: Final = "/book-of-the-week"
#: What has a cover and no page of its own: number, title, author.
UNLISTED: Final = {0: ("The Vanished Library", "Author Unknown"), 2000: ("First Look: Next Month", "Members Only")}


def book_path(book: Book) -> str:
    """Where a book's own page is."""
    return f"/book/{book.slug}"


def picks(place: Place) -> str:
    """The special editions, on the front page only, with what leads to a redirect, to nothing, and to the forbidden."""
    special = books.specials()
    shelf = [(WEEK if n == books.OF_THE_WEEK else book_path(book), book.title, n) for n, book in special.items()]
    shelf += [(path, title, n) for path, (n, (title, _)) in zip((GONE, MEMBERS), UNLISTED.items(), strict=True)]
    links = "".join(
        f'\n<li><a class="pick" href="{place.shop}{path}"><img src="{place.shop}/cover/{number}.svg" alt="" '
        f'width="120" height="180"><span>{escape(title)}</span></a></li>'
        for path, title, number in shelf
    )
    return (
        '\n<section class="picks"><h2>Special editions</h2><p>Printed in small numbers, found on no list.</p>'
        f'<ul class="shelf">{links}</ul></section>'
    )


def cards(place: Place, shelf: Iterable[Book]) -> str:
    """Books as a list of cards."""
    # The cover comes last, and first to the eye: the head of the source is what a reader of a snippet sees.
    cards = "".join(
        f'\n<li><article class="book">\n<h2 class="title"><a href="{place.shop}{book_path(book)}">'
        f"{escape(book.title)}</a></h2>{label(place, book)}"
        f'\n<a class="cover" href="{place.shop}{book_path(book)}" tabindex="-1">'
        f'<img src="{place.shop}/cover/{book.number}.svg" alt="" width="240" height="360" loading="lazy"></a>\n'
        "</article></li>"
        for book in shelf
    )
    return f'<ul class="books">{cards}</ul>'


def label(place: Place, book: Book) -> str:
    """What is said of a book wherever it is shown."""
    stock = f"In stock ({book.stock} left)" if book.stock else "Sold out"
    return (
        f'\n<p class="price">{book.price}</p>\n<p class="author">by {escape(book.author)}</p>'
        f'\n<p class="rating" data-stars="{book.rating}" aria-label="{book.rating} of 5 stars">'
        f"{'★' * book.rating}<span>{'☆' * (5 - book.rating)}</span></p>"
        f'\n<p class="stock{"" if book.stock else " none"}">{stock}</p>'
        f'\n<p><a class="category" href="{place.shop}/category/{book.category.slug}">'
        f"{escape(book.category.name)}</a></p>"
    )


def link(place: Place, book: Book) -> str:
    """A small cover with its title."""
    return (
        f'\n<li><a href="{place.shop}{book_path(book)}"><img src="{place.shop}/cover/{book.number}.svg" alt="" '
        f'width="120" height="180" loading="lazy"><span>{escape(book.title)}</span></a></li>'
    )


def sidebar(place: Place, here: Category | None = None) -> str:
    """The categories, the present one marked."""
    links = "".join(
        f'\n<li><a href="{place.shop}/category/{category.slug}"{" aria-current=page" if category is here else ""}>'
        f"{escape(category.name)}</a></li>"
        for category in books.categories().values()
    )
    return f'<aside>\n<nav class="categories" aria-label="Categories"><h2>Categories</h2><ul>{links}</ul></nav></aside>'


def tile(place: Place, category: Category, shelf: Sequence[Book]) -> str:
    """A category with one of its covers."""
    return (
        f'\n<li><a href="{place.shop}/category/{category.slug}">'
        f'<img src="{place.shop}/cover/{shelf[0].number}.svg" alt="" loading="lazy">'
        f"<strong>{escape(category.name)}</strong> <span>{len(shelf)} books</span></a></li>"
    )
