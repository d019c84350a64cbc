"""Later code reads everything that a release has stored; both versions can run at once on the same tables; and going
back is possible.

The releases are those of `bases/`: what each stored, what it answered, and its code. See docs/upgrades.md.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.dynamodb.attributes import from_item
from gateway.ledger.rows_store import accounts_of
from tests.upgrade import base as bases
from tests.upgrade import listing
from tests.upgrade.base import Base, life_of
from tests.upgrade.kinds import kind_of, shapes
from tests.upgrade.life import MINUTE, Life
from tests.upgrade.questions import Question, differences
from tests.upgrade.version import Version
from tests.upgrade.world import Items, World, moto, world
from tools.local.emulator import ROOT

pytestmark = pytest.mark.upgrade
NAMES = bases.names()
_SETTLED = ("SETTLED", "EXPIRED")


@dataclass(frozen=True)
class Lived:
    """A life of the current code: its tables, `stored` as it left them, and its answers."""

    world: World
    life: Life
    questions: list[Question]
    stored: Items


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with moto() as found:
        yield found


@pytest.fixture(scope="module")
def lived(endpoint: str) -> Iterator[Lived]:
    with world(endpoint, "today") as here:
        yield Lived(here, *life_of(here, ROOT), here.items())


@pytest.fixture(scope="module", params=NAMES)
def base(request: pytest.FixtureRequest) -> Base:
    return Base.read(request.param)


@pytest.fixture(scope="module")
def code(base: Base, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return base.unpacked(tmp_path_factory.mktemp("base"))


@pytest.fixture
def left(base: Base, endpoint: str, request: pytest.FixtureRequest) -> Iterator[World]:
    """The tables as the base has left them, at that time."""
    with world(endpoint, f"left-{abs(hash(request.node.name)) % 10**8}", base.now) as here:
        here.put(base.items)
        yield here


def test_there_is_a_base_and_it_has_every_kind() -> None:
    """This includes the kinds that a later release adds, after its own base is written."""
    assert NAMES, "no base is committed: python -m tests.upgrade write NAME"
    newest = Base.read(NAMES[-1])
    found = set(shapes(newest.items))
    for needed in NEEDED:
        assert any(kind.startswith(needed) for kind in found), f"the base {newest.name} has nothing of {needed}"


def test_the_listing_of_stored_shapes_is_of_this_code(lived: Lived) -> None:
    """A change of a shape is visible in the same commit, so a review sees it: `python -m tests.upgrade shapes`."""
    told = listing.FILE.read_text(encoding="utf-8")
    assert told == listing.text(shapes(lived.stored)), "python -m tests.upgrade shapes"


def test_what_a_base_stored_is_read_by_this_code(base: Base, left: World) -> None:
    today = left.version(ROOT)
    assert differences(today, base.questions, base.keys, all_of_it=True) == []
    assert _after(left, today) == []


def test_what_this_code_stores_is_read_by_a_base(base: Base, code: Path, lived: Lived) -> None:
    """The way back: the base reads the tables that the current code has left."""
    before = lived.world.version(code, _environment(base, lived.world))
    assert differences(before, lived.questions, lived.life.keys, all_of_it=False) == []
    assert _after(lived.world, before) == []


def test_both_run_at_once_on_one_table(base: Base, code: Path, left: World) -> None:
    """As during a deployment that replaces one version with the other: containers of both versions answer, also calls
    of one key."""
    both = (left.version(ROOT), left.version(code, _environment(base, left)))
    left.clock.now += 5 * MINUTE
    turns = [Life(left, each) for each in both]
    for turn in turns:
        turn.keys, turn.ids = dict(base.keys), dict(base.ids)
    for first, second in (turns, turns[::-1]):
        _one_limit(first, second)
        _one_budget(first, second)
        _one_answer(first, second)
        _one_record(first, second)
        _one_config(first, second)
        first.die_in_a_call("crashed")
        left.clock.now += 5 * MINUTE
        second.job("rate(1 minute)")
        assert not [row for row in _rows(left) if row["state"] == "OPEN" and row["deadline"] < left.clock.now - 300]
    for turn in turns:
        turn.tell_the_stream(again=True)
    assert _after(left, both[1]) == _after(left, both[0]) == []


def _one_limit(first: Life, second: Life) -> None:
    """Both versions together allow three calls a minute."""
    first.world.clock.now += 5 * MINUTE
    asked = [turn.called("three", wanted=None).status for turn in (first, second) * 3]
    assert sorted(asked) == [200] * 3 + [429] * 3


def _one_budget(first: Life, second: Life) -> None:
    """The amount that one version has spent or held is not available to the other, until both refuse, and not
    beyond."""
    made = first.admin("POST", "keys", {"name": "shared", "tier": "enterprise", "max_budget": 0.005})
    for turn in (first, second):
        turn.keys["shared"] = made["key"]
    asked = [turn.called("shared", wanted=None).status for turn in (second, first) * 6]
    assert asked.count(200) >= 2
    assert asked[-2:] == [402, 402]
    item = next(each for each in map(from_item, first.world.scan("limits")) if each["id"] == made["id"])
    used = sum(value for name, value in item.items() if name.startswith("used_"))
    assert 0 < used <= 5_000
    assert used == sum(row["actual"] for row in _rows(first.world) if row["key"] == made["id"])


def _one_answer(first: Life, second: Life) -> None:
    """One version repeats the answer that the other stored under an Idempotency-Key."""
    claim = f"both-{first.version.root.name}"
    assert first.called("full", idempotency_key=claim).text == second.called("full", idempotency_key=claim).text


def _one_record(first: Life, second: Life) -> None:
    """One version creates a key and calls with it; the other changes it and then revokes it."""
    made = first.admin("POST", "keys", {"name": "changed", "tier": "enterprise"})
    for turn in (first, second):
        turn.keys["changed"] = made["key"]
    first.called("changed")
    second.admin("PATCH", f"keys/{made['id']}", {"max_budget": 0.000001})
    assert first.called("changed", wanted=None).status == 402
    raised = {"amount": 1, "until": "2026-12-24T18:00:00.000Z"}
    assert second.admin("PATCH", f"keys/{made['id']}", {"budget_raise": raised})["budget_raise"] == raised
    assert first.called("changed").status == 200
    second.admin("PATCH", f"keys/{made['id']}", {"allowed_ips": ["203.0.113.0/24"]})
    assert first.called("changed", wanted=None).status == 403
    second.admin("PATCH", f"keys/{made['id']}", {"allowed_ips": [], "budget_raise": None})
    second.admin("PATCH", f"keys/{made['id']}", {"max_budget": 1})
    assert first.admin("GET", f"keys/{made['id']}")["max_budget"] == 1
    assert first.called("changed").status == 200
    second.admin("POST", f"keys/{made['id']}/revoke")
    assert first.called("changed", wanted=None).status in (401, 403)


def _one_config(first: Life, second: Life) -> None:
    changed = first.admin("POST", "config", {"models": {"new": {"target": "openai/gpt-4o"}}})
    first.world.clock.now += MINUTE
    assert second.admin("GET", "config")["version"] == changed["version"]
    assert second.called("full", model="gpt-4").status == 200


# Deliberate changes to the later version (two of them in each run, all with PROVE), by file: a name that is stored. The
# question that notices the change must report it.
_CHANGES = (
    pytest.param("ledger/admission.py", '"used_', '"took_', "/v1/key by full", id="a budget's sum"),
    pytest.param("billing/sessions/places.py", '"session#', '"sitting#', "usage/sessions", id="a partition"),
    pytest.param("identity/records.py", '"digest"', '"hash"', "/v1/key by full", id="a key's record"),
    pytest.param("config/store.py", '"document"', '"content"', "admin/config by", id="the config"),
    pytest.param("calls/idempotency_store.py", '"idempotency#', '"once#', "completions by full", id="a claim"),
)


@pytest.fixture(scope="module")
def asked(endpoint: str) -> Iterator[World]:
    newest = Base.read(NAMES[-1])
    with world(endpoint, "changed", newest.now) as here:
        here.put(newest.items)
        yield here


@pytest.mark.parametrize(("file", "before", "after", "told"), _CHANGES if os.environ.get("PROVE") else _CHANGES[:2])
def test_a_shape_that_was_changed_is_found(
    asked: World, file: str, before: str, after: str, told: str, tmp_path: Path
) -> None:
    newest = Base.read(NAMES[-1])
    changed = tmp_path / "changed"
    for folder in ("functions", "shared"):
        shutil.copytree(ROOT / folder, changed / folder, ignore=shutil.ignore_patterns("__pycache__"))
    module = changed / "shared" / "gateway" / file
    text = module.read_text(encoding="utf-8")
    assert before in text, f"{file} has no {before} any more: change another shape"
    module.write_text(text.replace(before, after), encoding="utf-8")
    with asked.passing(changed) as after_it:
        found = differences(after_it, newest.questions, newest.keys, all_of_it=True)
    assert [each for each in found if told in each], found[:5]


def _environment(base: Base, here: World) -> dict[str, str]:
    """The base's variables, without the tables' prefix, which this world chooses."""
    return base.environment | {"GATEWAY_TABLE_PREFIX": here.environment["GATEWAY_TABLE_PREFIX"]}


def _after(here: World, version: Version) -> list[str]:
    """The problems after this version has ended everything that was in progress: rows swept, hours closed, everything
    counted."""
    turn = Life(here, version)
    here.clock.now += 30 * MINUTE
    for _ in range(3):  # each run processes at most an hour of minutes
        turn.job("rate(1 minute)")
    here.clock.now += 60 * MINUTE
    turn.job("rate(1 hour)")
    turn.tell_the_stream(again=True)
    rows = _rows(here)
    wrong = [f"row {row['rid']} is {row['state']}" for row in rows if row["state"] not in (*_SETTLED, "CORRECTION")]
    return wrong + _drift(here, rows) + _uncounted(here, rows)


def _rows(here: World) -> list[dict[str, Any]]:
    return [from_item(item) for item in here.scan("request-analytics")]


def _drift(here: World, rows: list[dict[str, Any]]) -> list[str]:
    """Accounts whose sums are not those of their rows. The copied rows of the busy key were never admitted."""
    sums: dict[tuple[str, str], int] = {}
    for row in rows:
        if row["state"] in _SETTLED:
            for account, window in accounts_of(row):
                sums[account, window] = sums.get((account, window), 0) + row["actual"]
    items = {item["id"]: item for item in map(from_item, here.scan("limits"))}
    return [
        f"{account} {name}: {items.get(account, {}).get(name, 0)}, its rows {spent}"
        for (account, window), spent in sums.items()
        for name in (f"used_{window}", f"spent_{window}")
        if items.get(account, {}).get(name, 0) != spent
    ]


def _uncounted(here: World, rows: list[dict[str, Any]]) -> list[str]:
    """Keys whose counted requests or cost are not those of their rows."""
    counted: dict[str, tuple[int, int]] = {}
    for item in here.scan("usage"):
        if kind_of("usage", item) == "usage: a slot":
            values = from_item(item)
            calls, cost = counted.get(values["key"], (0, 0))
            counted[values["key"]] = (calls + values["*|*|n"], cost + values.get("*|*|cost", 0))
    return [
        f"key {key}: counted {counted.get(key)}, its rows {said}"
        for key in sorted({row["key"] for row in rows})
        if (mine := [row for row in rows if row["key"] == key and row["state"] in _SETTLED])
        and counted.get(key) != (said := (len(mine), sum(row["actual"] for row in mine)))
    ]


NEEDED = (
    *(f"api-keys: {kind}" for kind in ("key", "team", "user")),
    *(f"limits: {kind}" for kind in ("key", "model", "team", "user")),
    *(f"request-analytics: {state}" for state in ("CORRECTION", "EXPIRED", "OPEN", "SETTLED", "SETTLED, long")),
    *(f"usage: {kind}" for kind in ("a day's sum", "a session's", "a session's, erased", "a slot", "corrections")),
    *(f"state: idempotency, {state}" for state in ("an answer", "kept", "running", "streamed")),
    *("state: config, current", "state: config, version", "state: session-secrets", "state: used", "state: alert"),
    *("state: health, breaker", "state: health, breaker, forced", "state: health, observed", "state: parked"),
    *("state: sweeper, cursor#long", "state: sweeper, cursor#short"),
    *(f"product-catalog: {part}" for part in ("#categories", "category", "product", "term")),
)
