"""Pictures as SVG text: a few shapes, and plots of lines and areas. The same data gives the same file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape

Point = tuple[float, float]
INK, FAINT, PAPER = "#1f2933", "#d5dbe1", "#ffffff"
_SANS = "font-family='system-ui,-apple-system,Segoe UI,Helvetica,Arial,sans-serif'"


@dataclass(slots=True)
class Picture:
    """Shapes on paper of a size in pixels, in the order in which they are drawn. `alt` is what it shows, in words."""

    width: int
    height: int
    alt: str
    shapes: list[str] = field(default_factory=list)

    def text(self, x: float, y: float, words: str, *, size: int = 13, fill: str = INK, more: str = "") -> None:
        self.shapes.append(f"<text x='{x:g}' y='{y:g}' font-size='{size}' fill='{fill}' {more}>{escape(words)}</text>")

    def box(self, x: float, y: float, width: float, height: float, fill: str, more: str = "") -> None:
        self.shapes.append(
            f"<rect x='{x:g}' y='{y:g}' width='{width:g}' height='{height:g}' rx='6' fill='{fill}' {more}/>"
        )

    def path(self, points: Iterable[Point], more: str) -> None:
        moved = "M" + " L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        self.shapes.append(f"<path d='{moved}' {more}/>")

    def __str__(self) -> str:
        head = (
            f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {self.width} {self.height}' width='{self.width}'"
            f" height='{self.height}' role='img' aria-label='{escape(self.alt, quote=True)}' {_SANS}>"
        )
        paper = f"<rect width='{self.width}' height='{self.height}' rx='8' fill='{PAPER}'/>"
        return "\n".join([head, f"<title>{escape(self.alt)}</title>", paper, *self.shapes, "</svg>", ""])


@dataclass(slots=True)
class Plot:
    """A plot with axes from 0: `wide` and `high` are what the axes reach. Lines above the top are cut off there."""

    picture: Picture
    wide: float
    high: float
    left: int = 64
    top: int = 56
    right: int = 24
    bottom: int = 52

    def at(self, point: Point) -> Point:
        picture = self.picture
        x = self.left + point[0] / self.wide * (picture.width - self.left - self.right)
        y = picture.height - self.bottom - point[1] / self.high * (picture.height - self.top - self.bottom)
        return x, y

    def axes(self, across: Sequence[float], up: Sequence[float], name_across: str, name_up: str, form: str) -> None:
        for value in up:
            ends = self.at((0, value)), self.at((self.wide, value))
            self.picture.path(ends, f"stroke='{FAINT}' fill='none'")
            self.picture.text(ends[0][0] - 8, ends[0][1] + 4, form.format(value), size=12, more="text-anchor='end'")
        for value in across:
            x, y = self.at((value, 0))
            self.picture.text(x, y + 18, f"{value:g}", size=12, more="text-anchor='middle'")
        x, y = self.at((self.wide / 2, 0))
        self.picture.text(x, y + 38, name_across, size=12, more="text-anchor='middle'")
        self.picture.text(self.left - 52, self.top - 12, name_up, size=12)

    def line(self, points: Sequence[Point], colour: str, more: str = "") -> None:
        """A line up to where it leaves the plot."""
        inside: list[Point] = []
        for point in points:
            if point[1] > self.high:
                if inside:
                    x, y = inside[-1]
                    part = (self.high - y) / (point[1] - y)
                    inside.append((x + part * (point[0] - x), self.high))
                break
            inside.append(point)
        self.picture.path(map(self.at, inside), f"stroke='{colour}' stroke-width='2' fill='none' {more}")

    def area(self, upper: Sequence[Point], lower: Sequence[Point], colour: str) -> None:
        outline = [*map(self.at, upper), *map(self.at, reversed(lower))]
        self.picture.path(outline, f"fill='{colour}' stroke='none'")
