"""docs/stored-shapes.md: every stored kind with its attributes, as the current code writes them."""

from __future__ import annotations

from contextlib import ExitStack

from tests.upgrade.base import life_of
from tests.upgrade.kinds import Shapes, shapes
from tests.upgrade.world import moto, world
from tools.local.emulator import ROOT

FILE = ROOT / "docs" / "stored-shapes.md"
_HEAD = """# What is stored

Every kind of item of every table, with its attributes and DynamoDB's types (`S` text, `N` number, `SS` a set of
texts, `M` an object, `L` a list), as today's code stores them when everything is run. `python -m tests.upgrade shapes`
makes this page, and `make upgrade-check` compares it. [upgrades.md](upgrades.md) says what may change, and how.
[ledger.md](ledger.md#items) says what the items mean.

In names, `<hour>`, `<day>`, `<window>` and `<name>` stand for parts that differ from item to item. `not always` means
that some items of the kind lack the attribute.
"""


def now() -> Shapes:
    """The shapes that the current code stores."""
    with ExitStack() as stack:
        here = stack.enter_context(world(stack.enter_context(moto()), "shapes"))
        life_of(here, ROOT)
        return shapes(here.items())


def text(found: Shapes) -> str:
    lines = [_HEAD]
    table = ""
    for kind, attributes in found.items():
        of, _, what = kind.partition(": ")
        if of != table:
            table = of
            lines.append(f"## {table}\n")
        lines.append(f"### {table}: {what}\n\n| attribute | type |\n|---|---|")
        lines += [f"| `{name.replace('|', chr(92) + '|')}` | {kind_of} |" for name, kind_of in attributes.items()]
        lines.append("")
    return "\n".join(lines)
