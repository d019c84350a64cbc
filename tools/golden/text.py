"""The golden plan as text, and the difference between two."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping

from tools.golden.plan import UNKNOWN, Lines

Blocks = Mapping[str, list[str]]
GONE = "- (the whole block)"
_HEAD = re.compile(r"^(\S.*)$")


def listed(blocks: Mapping[str, Lines]) -> dict[str, list[str]]:
    """Attributes as lines, sorted."""
    return {name: [f"{path} = {text}" for path, text in sorted(lines.items())] for name, lines in blocks.items()}


def written(blocks: Blocks) -> str:
    """A block a paragraph: its name, then its lines, indented."""
    return "\n".join("".join([f"{name}\n", *(f"  {line}\n" for line in blocks[name])]) for name in sorted(blocks))


def parsed(text: str) -> dict[str, list[str]]:
    """What `written` wrote."""
    blocks: dict[str, list[str]] = {}
    name = ""
    for line in text.splitlines():
        if line.startswith("  "):
            blocks[name].append(line[2:])
        elif match := _HEAD.match(line):
            blocks[name := match[1]] = []
    return blocks


def differences(golden: Blocks, now: Blocks) -> Iterator[str]:
    """Block by block, `-` what is golden, `+` what is now. What only an apply knows agrees with anything."""
    for name in sorted({*golden, *now}):
        before, after = golden.get(name), _known(golden.get(name, []), now[name]) if name in now else None
        if before != after:
            yield f"{name}{' (gone)' if after is None else ' (new)' if before is None else ''}"
            for line in difflib.ndiff(before or [], after or []):
                if line[:1] in "-+":
                    yield f"  {line}"


def relative(base: Blocks, variant: Blocks) -> dict[str, list[str]]:
    """The lines that a variant has (`+`) and lacks (`-`) compared with the base."""
    made = {}
    for name in {*base, *variant}:
        lines = [line for line in difflib.ndiff(base.get(name, []), variant.get(name, [])) if line[:1] in "-+"]
        if name not in variant:
            lines = [GONE]
        if lines:
            made[name] = lines
    return made


def restored(base: Blocks, difference: Blocks) -> dict[str, list[str]]:
    """The variant of which `relative` told the difference to the base."""
    made = {}
    for name in {*base, *difference}:
        lines = difference.get(name, [])
        if not any(line == GONE for line in lines):
            gone = {line[2:] for line in lines if line.startswith("- ")}
            kept = [line for line in base.get(name, []) if line not in gone]
            made[name] = sorted([*kept, *(line[2:] for line in lines if line.startswith("+ "))], key=_path)
    return made


def _path(line: str) -> str:
    return line.partition(" = ")[0]


def _known(golden: list[str], now: list[str]) -> list[str]:
    """The lines of now, with golden ones where a plan by the real provider does not know the value yet."""
    for line in [line for line in now if line.endswith(f" = {UNKNOWN}")]:
        path = line.removesuffix(f" = {UNKNOWN}")
        same = [each for each in golden if re.match(re.escape(path) + r"( =|[.\[{])", each)]
        if same:
            at = now.index(line)
            now = now[:at] + same + now[at + 1 :]
    return now
