"""`python -m tools.docs pictures`: the README's pictures, from real runs. `drawn` makes them from a run's figures."""

from __future__ import annotations

import json
from typing import Any

from tools.docs import architecture, measured, terminal
from tools.docs.svg import Picture, Plot, Point
from tools.local.emulator import ROOT

FOLDER = ROOT / "docs" / "pictures"
_BLUE, _RED, _GREY, _SKY = "#1f5fbf", "#c0392b", "#8895a3", "#a9cbf5"


def limit(seen: dict[str, Any], threads: int) -> Picture:
    """Calls that were let in, against what the limit allows by then."""
    wide, rate, burst = measured.SECONDS, seen["per_minute"] / 60, seen["burst"]
    high = (burst + rate * wide) * 1.25
    allowed: list[Point] = [(0, burst), (wide, burst + rate * wide)]
    admitted = [(0.0, 0.0), *((moment, number) for number, moment in enumerate(seen["admitted_at"], 1))]
    alt = (
        f"Calls let in over {wide:g} seconds stay on the line of the limit: {len(admitted) - 1} of the"
        f" {seen['asked']:,} that {threads} threads asked for"
    )
    picture = Picture(720, 380, alt)
    picture.text(
        24, 26, f"Admitted calls against the limit: {threads} threads on one key", size=15, more="font-weight='600'"
    )
    plot = Plot(picture, wide, high)
    plot.axes(range(int(wide) + 1), range(0, int(high), 30), "seconds", "calls", "{:g}")
    plot.line([(moment, number) for moment, number in seen["asked_at"]], _GREY)
    plot.line(allowed, _RED, "stroke-dasharray='6 4'")
    plot.line([point for point in admitted if point[0] <= wide], _BLUE)
    _note(plot, (0.9, high * 0.93), f"asked: {seen['asked']:,} calls in {wide:g} s", _GREY)
    _note(plot, (wide * 0.42, high * 0.84), f"allowed: {burst} at once, then {seen['per_minute']} a minute", _RED)
    over = sum(number > burst + rate * moment for moment, number in admitted)
    _note(plot, (wide * 0.5, high * 0.42), f"admitted: {len(admitted) - 1}, of these over the limit: {over}", _BLUE)
    return picture


def budget(seen: dict[str, Any], threads: int) -> Picture:
    """Money spent and held over time, against the budget."""
    moments = [each for each in seen["moments"] if each[0] <= measured.SECONDS]
    spent: list[Point] = [(0, 0), *((at, spent / 1e6) for at, spent, _ in moments)]
    used: list[Point] = [(0, 0), *((at, (spent + held) / 1e6) for at, spent, held in moments)]
    top = seen["limit"] / 1e6
    most = max(each[1] for each in used)
    alt = (
        f"Money spent and held over {measured.SECONDS:g} seconds never passes the budget of {top:g} dollar: at most"
        f" {most:.6f}"
    )
    picture = Picture(720, 380, alt)
    title = f"A budget of 1 dollar: {threads} threads, {seen['admitted']} calls let in, {seen['refused']:,} refused"
    picture.text(24, 26, title, size=15, more="font-weight='600'")
    plot = Plot(picture, measured.SECONDS, top * 1.2)
    plot.axes(range(int(measured.SECONDS) + 1), [0, 0.25, 0.5, 0.75, 1.0], "seconds", "US dollars", "{:.2f}")
    floor: list[Point] = [(spent[0][0], 0), (spent[-1][0], 0)]
    plot.area(used, spent, _SKY)
    plot.area(spent, floor, _BLUE)
    plot.line([(0, top), (measured.SECONDS, top)], _RED, "stroke-dasharray='6 4'")
    _note(plot, (0.1, top * 1.06), f"the budget; spent and held together came to {most:.6f} at most", _RED)
    for at, (words, colour) in enumerate((("spent", _BLUE), ("held for calls under way", _SKY))):
        picture.box(picture.width - 290 + at * 80, 33, 12, 12, colour)
        picture.text(picture.width - 272 + at * 80, 43, words)
    return picture


def _note(plot: Plot, point: Point, words: str, colour: str) -> None:
    x, y = plot.at(point)
    plot.picture.text(x, y, words, fill=colour, more="font-weight='600'")


def drawn() -> dict[str, Picture]:
    """The pictures of the figures, by file name."""
    seen = json.loads(measured.SEEN.read_text(encoding="utf-8"))
    return {
        "limit.svg": limit(seen["limit"], seen["threads"]),
        "budget.svg": budget(seen["budget"], seen["threads"]),
        "architecture.svg": architecture.picture(),
        "run.svg": terminal.picture(terminal.SEEN.read_text(encoding="utf-8")),
    }


def write() -> None:
    for name, picture in drawn().items():
        (FOLDER / name).write_text(str(picture), encoding="utf-8")


def main() -> int:
    FOLDER.mkdir(exist_ok=True)
    measured.measure()
    terminal.record()
    write()
    return 0
