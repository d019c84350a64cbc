"""Compares rows with the counts of the fake upstream: call by call, and in sum."""

from __future__ import annotations

import json
import math
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.contract.money.callers import Read, words_in
from tests.contract.money.drawn import Call
from tests.contract.money.owed import A_SECOND, Asked, Owed, least_read, of_batch, owed
from tests.contract.money.run import Run
from tests.upstream import Steer
from tests.upstream.delivered import Delivery

_COST = re.compile(rb'"cost": ?([0-9.e-]+)')  # as an answer reports it, in US dollars
_SAID = ("choices", "content", "output")


@dataclass
class Account:
    """The sums of a run in micro-dollars: `counted` by the fake and the rules, `rows` by the rows. By rule: how many
    attempts there were, and their cost. `waits` is the cost for streams that paused while they were made, `killed`
    the cost of calls whose server died."""

    counted: int = 0
    rows: int = 0
    killed: int = 0
    waits: int = 0
    rules: Counter[str] = field(default_factory=Counter)
    dollars: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def tell(self, of: str) -> None:
        """Prints the figures for a person who runs the proof at its full length and reads them (`pytest -s`)."""
        ends = ", ".join(f"{count} {end}" for end, count in sorted(self.ends.items()))
        rules = ", ".join(
            f"{count} {rule} ${self.dollars[rule] / 1e6:.6f}" for rule, count in sorted(self.rules.items())
        )
        sums = f"counted ${self.counted / 1e6:.6f}, waited ${self.waits / 1e6:.6f}, rows ${self.rows / 1e6:.6f}"
        sys.stdout.write(f"\n{of}: {ends}. {rules}. {sums}, killed ${self.killed / 1e6:.6f}\n")


def checked(run: Run) -> Account:
    """Checks every call of a run, its row, and the amount that it owes."""
    found, rows = Account(), dict[str, list[dict[str, Any]]]()
    for row in run.gateway.rows():
        rows.setdefault(row["correlation"], []).append(row)
    for call in run.calls:
        _check(found, run, call, rows.pop(call.mark, []))
    found.wrong += [f"{mark}: a row of no call" for mark in rows]
    return found


def _check(found: Account, run: Run, call: Call, rows: Sequence[Mapping[str, Any]]) -> None:
    sent, reads = run.deliveries(call.mark), run.reads[call.number]
    told = {read.status for read in reads}
    if not rows:
        found.ends["refused" if told & {402, 429, 503} else "never came"] += 1
        # A client that sends its request and leaves may be gone before anything is held. If several keys meet a slow
        # provider, its breaker opens, whatever its threshold is. Then the answer is a 503, and no provider was asked.
        if sent or not ((told and told <= {402, 429, 409, 503}) or call.leaves == 0):
            found.wrong.append(f"{call.mark}: no row, but {len(sent)} attempts, and clients read {told}")
        return
    if len(rows) != 1:
        found.wrong.append(f"{call.mark}: {len(rows)} rows")
        return
    (row,) = rows
    found.ends[f"{row['state']} {row['status']}" if row["state"] == "SETTLED" else row["state"]] += 1
    if row["state"] == "EXPIRED":
        _killed(found, call, row, sent)
        return
    if row["state"] != "SETTLED":
        found.wrong.append(f"{call.mark}: {row['state']}")
        return
    check_attempts(found, call, row, sent, reads[0] if reads else Read())
    for read in reads:
        costs = _COST.findall(read.data) if read.ended and read.status == 200 else []
        if costs and round(float(costs[-1]) * 1e6) != row["actual"]:
            found.wrong.append(f"{call.mark}: its client was told {costs[-1]!r}, and its row says {row['actual']}")


def _killed(found: Account, call: Call, row: Mapping[str, Any], sent: Sequence[Delivery]) -> None:
    """The hold of a killed call: the amount at admission, or the remaining amount after the provider counted the
    prompt."""
    found.killed += row["actual"]
    bounds = {call.asked.hold, *(each.cost for each in _bounds(call.asked, sent))}
    if row["actual"] != row["est"] or row["est"] not in bounds:
        found.wrong.append(f"{call.mark}: charged {row['actual']}, held {row['est']}, of {bounds}")


def _bounds(asked: Asked, sent: Sequence[Delivery]) -> Iterator[Owed]:
    for delivery in sent:
        for taken in range(len(delivery.parts) + 1):
            told = asked.told(delivery.parts[:taken])
            yield Owed("bound", asked.bound(told))


def check_attempts(found: Account, call: Call, row: Mapping[str, Any], sent: Sequence[Delivery], read: Read) -> None:
    """Compares a settled row with the deliveries of its call, attempt by attempt; `read` is what its client got."""
    found.rows += row["actual"]
    attempts = row.get("attempts") or [_only(row)]
    left = call.leaves is not None
    if call.asked.speaks == "titan":
        ways = [list(of_batch(call.asked, sent, left=left))]
        attempts = attempts[:1]
    else:
        # The client read only the last attempt: nothing of the attempts before it was passed on.
        read_of = [0] * (len(sent) - 1) + [_least(call, each, read) for each in sent[-1:]]
        ways = [
            list(owed(call.asked, each, least=least, left=left, said=_said(read)))
            for each, least in zip(sent, read_of, strict=True)
        ]
    attempts = [each for each in attempts if each["verdict"] != "not_sent"]
    if len(attempts) != len(ways):
        found.wrong.append(f"{call.mark}: {len(attempts)} attempts of {len(sent)} that came")
        return
    total = 0
    seconds = (row["latency_ms"] + 1) / 1_000
    for attempt, may in zip(attempts, ways, strict=True):
        rule = _matched(call.asked, attempt, may, seconds)
        if rule is None:
            told = [(each.rule, each.cost, each.output) for each in may]
            shown = {name: attempt[name] for name in ("verdict", "cost", "output") if name in attempt}
            found.wrong.append(
                f"{call.mark}: {_of(call)} {shown} of {told}, {_as_said(sent[-1].steer)}, {row['status']}"
            )
            return
        found.rules[rule.rule] += 1
        found.dollars[rule.rule] += rule.cost
        total += rule.cost
        found.waits += attempt["cost"] - rule.cost
        found.counted += rule.cost
    if sum(each["cost"] for each in attempts) != row["actual"]:
        found.wrong.append(f"{call.mark}: {row['actual']} is not the sum of {attempts}")
    if row["actual"] > row["est"]:
        found.wrong.append(f"{call.mark}: {row['actual']} is beyond what was held, {row['est']}")
    if not left and len(attempts) == 1 and row["est"] != call.asked.hold and not _told(call.asked, sent):
        found.wrong.append(f"{call.mark}: {_of(call)} held {row['est']}, and not {call.asked.hold}")


def _told(asked: Asked, sent: Sequence[Delivery]) -> bool:
    return any(asked.told(each.parts) for each in sent)


def _of(call: Call) -> str:
    return f"{call.surface} {call.asked.model} {'streamed' if call.streams else 'whole'} leaves {call.leaves}"


def _as_said(steer: Steer) -> dict[str, Any]:
    plain = Steer()
    return {name: getattr(steer, name) for name in Steer.__slots__ if getattr(steer, name) != getattr(plain, name)}


def _only(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"verdict": "answered", "cost": row["actual"], "output": row.get("output_tokens", 0)}


def _matched(asked: Asked, attempt: Mapping[str, Any], may: Iterable[Owed], seconds: float) -> Owed | None:
    """The rule by which an attempt was billed. If a stream paused before it ended, it may cost more tokens, but never
    more than its seconds allow."""
    ways = list(may)
    exact = [each for each in ways if each.cost == attempt["cost"]]
    if exact:
        return exact[0]
    for each in ways:
        most = each.output + math.ceil(A_SECOND * seconds)
        output = attempt.get("output", 0)
        if each.waits and each.output < output <= most and asked.seen(each.told, output) == attempt["cost"]:
            return each
    return None


def _least(call: Call, delivery: Delivery, read: Read) -> int:
    """The least number of events that the gateway must have read, judged by the bytes that its client received."""
    return least_read(call.asked, delivery, words_in(read.data)) if delivery.streams else 0


def _said(read: Read) -> str:
    """The content of an answer that a client read in one piece."""
    try:
        body = json.loads(read.data)
    except ValueError:
        return ""
    said: Any = next((body[name] for name in _SAID if name in body), []) if isinstance(body, dict) else []
    return json.dumps(said, ensure_ascii=False)
