"""What no plan shows: providers and backend, variables with defaults, validations and values, what a resource's life
depends on, checks and the sums they are about. Read from the files, without comments and layout."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from tools.golden.plan import Sources
from tools.hcl import Block, Body, read

_META = ("count", "for_each", "depends_on", "provider", "providers", "source", "version")
_LIFE = ("lifecycle", "provisioner", "connection")
_IN_PLAN = ("resource", "module", "output", "locals")


def unseen(sources: Sources) -> dict[str, list[str]]:
    """Block -> its lines, of the root and of every module it calls."""
    calls = (block.body.attributes["source"] for block in sources.module("").of("module"))
    folders = ["", *sorted({source.strip('"').removeprefix("./") for source in calls})]
    made: dict[str, list[str]] = {}
    for folder in folders:
        module = sources.module(folder)
        for block in module.blocks:
            if lines := list(_lines(block, module)):
                made.setdefault(": ".join(filter(None, [folder, _title(block)])), []).extend(lines)
    return made | _given(sources)


def _given(sources: Sources) -> dict[str, list[str]]:
    """Files of variables: a variable may be only for checks and providers, which no plan shows."""
    files = [*sources.root.glob("*.tfvars"), *sources.root.glob("environments/*.tfvars")]
    others = [*sources.root.glob("*.tfvars.json"), *sources.root.glob("environments/*.tfvars.json")]
    if others:
        raise ValueError(f"files that nobody reads here: {', '.join(sorted(path.name for path in others))}")
    return {path.relative_to(sources.root).as_posix(): list(read(path).lines()) for path in sorted(files)}


def _title(block: Block) -> str:
    return " ".join([block.kind, *(f'"{label}"' for label in block.labels)])


def _lines(block: Block, module: Body) -> Iterator[str]:
    if block.kind not in _IN_PLAN:
        shown = block.body
    elif block.kind == "output":
        shown = Body({name: text for name, text in block.body.attributes.items() if name != "value"}, block.body.blocks)
    else:
        life = [each for each in block.body.blocks if each.kind in _LIFE]
        shown = Body({name: text for name, text in block.body.attributes.items() if name in _META}, life)
    lines = list(shown.lines())
    yield from lines
    if block.kind == "provider":
        yield from _asked(lines, module)
    elif block.kind == "check" or any(each.kind == "lifecycle" for each in block.body.blocks):
        yield from _asked([line for line in lines if line.strip().startswith("condition")], module)


def _asked(conditions: list[str], module: Body) -> Iterator[str]:
    """The locals that conditions and providers ask for: one that was made empty would refuse nothing."""
    known = {name: text for block in module.of("locals") for name, text in block.body.attributes.items()}
    direct = _locals("\n".join(conditions)) & set(known)
    for name in sorted(direct | _reached(conditions, known) - _reached(_made_of(module), known)):
        yield f"local.{name} = {known[name]}"


def _made_of(module: Body) -> Iterator[str]:
    """The text of everything that a plan shows. A local that is used in it is seen there."""
    for block in module.blocks:
        if block.kind in ("resource", "module", "output"):
            others = [each for each in block.body.blocks if each.kind not in _LIFE]
            yield from Body(block.body.attributes, others).lines()


def _reached(texts: Iterable[str], known: Mapping[str, str]) -> set[str]:
    """The locals that texts ask for, and those that these ask for."""
    reached: set[str] = set()
    asked = _locals("\n".join(texts)) & set(known)
    while asked:
        reached |= asked
        asked = _locals("\n".join(known[name] for name in asked)) & set(known) - reached
    return reached


def _locals(text: str) -> set[str]:
    return set(re.findall(r"\blocal\.(\w+)", text))
