"""A cover for each book, drawn as SVG from a number, its title and its author."""

from __future__ import annotations

from html import escape
from textwrap import wrap
from typing import Final

from scrapekit.demo.dice import Dice

WIDTH: Final = 240
HEIGHT: Final = 360
_FONT: Final = "Georgia, 'DejaVu Serif', serif"
#: ground, shape, second shape, ink
_COLOURS: Final = (
    ("#1f3a4d", "#e9b44c", "#50a2a7", "#fdf6e3"),
    ("#7a2e2e", "#e8c9a0", "#c8553d", "#fff4e4"),
    ("#f3e9d2", "#c6dabf", "#1a936f", "#114b5f"),
    ("#2d3047", "#e0a458", "#93b7be", "#fff8f0"),
    ("#e4dfda", "#c1666b", "#d4b483", "#3b3a4a"),
    ("#264027", "#b5c99a", "#dda15e", "#fefae0"),
    ("#f6d8ae", "#f4a259", "#8cb369", "#3d3522"),
    ("#3c1642", "#f08a8a", "#5f7fb8", "#fbeff9"),
    ("#dfe7ea", "#8fb8ca", "#e07a5f", "#22333b"),
    ("#50514f", "#f2c14e", "#f78154", "#fbfaf5"),
)


def cover(number: int, title: str, author: str) -> str:
    """The cover as an SVG document; the number decides on its colours and its drawing."""
    dice = Dice("cover", number)
    ground, shape, second, ink = dice.of(_COLOURS)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">'
        f"<title>{escape(title)}</title>"
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{ground}"/>'
        f"{dice.of(_MOTIFS)(dice, shape, second)}"
        f'<rect width="10" height="{HEIGHT}" fill="#000" opacity=".14"/>'
        f'<g fill="{ink}" font-family="{_FONT}" text-anchor="middle">{_lettering(title, author)}</g></svg>'
    )


def _lettering(title: str, author: str) -> str:
    lines = wrap(title, 15, break_long_words=False)
    size = 28 if len(lines) < 4 and max(map(len, lines)) < 13 else 22
    rows = "".join(
        f'<text x="124" y="{52 + (size + 6) * row}" font-size="{size}" font-weight="bold">{escape(line)}</text>'
        for row, line in enumerate(lines)
    )
    return f'{rows}<text x="124" y="336" font-size="15" letter-spacing=".5">{escape(author)}</text>'


def _sun(dice: Dice, shape: str, second: str) -> str:
    across, down, radius = dice.between(70, 180), dice.between(190, 230), dice.between(34, 60)
    left, right = dice.between(220, 290), dice.between(220, 290)
    return (
        f'<circle cx="{across}" cy="{down}" r="{radius}" fill="{shape}"/>'
        f'<path d="M0 {left} Q120 {left - 70} 240 {right} V312 H0Z" fill="{second}"/>'
        f'<path d="M0 {left + 30} Q140 {right + 40} 240 {right - 5} V312 H0Z" fill="{shape}" opacity=".55"/>'
    )


def _waves(dice: Dice, shape: str, second: str) -> str:
    high = dice.between(12, 26)
    row = "Q{} {} {} {} T120 {} 180 {} 240 {} 300 {}"
    paths = []
    for n, y in enumerate(range(180, 310, 26)):
        path = row.format(30, y - high, 60, y, y, y, y, y)
        paths.append(f'<path d="M0 {y} {path}" stroke="{(shape, second)[n % 2]}" stroke-width="9" fill="none"/>')
    return "".join(paths)


def _rings(dice: Dice, shape: str, second: str) -> str:
    across, down = dice.between(80, 160), dice.between(215, 240)
    return "".join(
        f'<circle cx="{across}" cy="{down}" r="{radius}" fill="{(shape, second)[radius // 18 % 2]}"/>'
        for radius in range(72, 0, -18)
    )


def _tiles(dice: Dice, shape: str, second: str) -> str:
    kinds = (
        '<rect x="{x}" y="{y}" width="34" height="34" fill="{c}"/>',
        '<circle cx="{m}" cy="{k}" r="17" fill="{c}"/>',
        '<path d="M{x} {y}h34L{x} {b}Z" fill="{c}"/>',
        '<path d="M{x} {b}A34 34 0 0 1 {r} {y}V{b}Z" fill="{c}"/>',
    )
    return "".join(
        dice.of(kinds).format(x=x, y=y, m=x + 17, k=y + 17, b=y + 34, r=x + 34, c=dice.of((shape, second)))
        for x in range(32, 200, 38)
        for y in range(186, 290, 38)
    )


def _rays(dice: Dice, shape: str, second: str) -> str:
    middle = dice.between(90, 150)
    return "".join(
        f'<path d="M{middle} 312 L{edge} 170 L{edge + 22} 170Z" fill="{(shape, second)[n % 2]}"/>'
        for n, edge in enumerate(range(-60, 300, 36))
    )


def _stripes(dice: Dice, shape: str, second: str) -> str:
    bars, y = [], 185
    while y < 300:
        thick = dice.between(5, 22)
        bars.append(f'<rect x="10" y="{y}" width="230" height="{thick}" fill="{dice.of((shape, second))}"/>')
        y += thick + dice.between(6, 14)
    return "".join(bars)


_MOTIFS: Final = (_sun, _waves, _rings, _tiles, _rays, _stripes)
