"""Calls drawn from a seed: the surface, the model, whether it streams, what happens to it, and who makes it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.contract.money.owed import MODELS, Asked
from tests.upstream import Steer

CHATS = [name for name, model in MODELS.items() if model["price"].get("mode") != "embedding"]
EMBEDS = [name for name in MODELS if name not in CHATS]
PATHS = {
    "chat": "/v1/chat/completions",
    "messages": "/v1/messages",
    "responses": "/v1/responses",
    "text": "/v1/completions",
    "embeddings": "/v1/embeddings",
}
FOREVER = 600.0  # seconds; the fake ends earlier
# How a stream, and an answer in one piece, may fail; and how often.
STREAM_FAULTS = {"none": 8, "status": 2, "before": 1, "headers": 1, "reset": 5, "end": 2, "error": 3, "no-usage": 1}
WHOLE_FAULTS = {"none": 8, "status": 2, "before": 1, "headers": 1, "reset": 1, "cut": 1, "damaged": 2, "no-usage": 1}
STATUSES = (400, 403, 404, 408, 429, 500, 503, 529)
DAMAGES = ("malformed", "schema", "list", "empty")
OF_AWS = ("throttlingException", "modelStreamErrorException", "internalServerException")


@dataclass(slots=True)
class Call:
    """One call as its client makes it. `mark` is in its prompt and is its correlation id. `steers` say what happens to
    its attempts, and the last one is used for all further attempts. `leaves`: the client hangs up after this many
    events; None means that it stays. `doomed`: the call never ends until its server dies. `buffered`: it uses the
    door that answers in one piece. `twice`: it is sent twice with one Idempotency-Key."""

    number: int
    mark: str
    surface: str
    asked: Asked
    streams: bool
    caller: int
    steers: list[Steer] = field(default_factory=list)
    leaves: int | None = None
    doomed: bool = False
    buffered: bool = False
    twice: bool = False

    @property
    def path(self) -> str:
        return PATHS[self.surface]


def drawn(seed: int, calls: int, *, doomed: int, callers: int) -> list[Call]:
    """This many calls, of which this many in the first half are doomed."""
    chance = random.Random(seed)
    dying = set(chance.sample(range(calls // 2), doomed))
    return [_call(chance, seed, number, number in dying, chance.randrange(callers)) for number in range(calls)]


def _call(chance: random.Random, seed: int, number: int, doomed: bool, caller: int) -> Call:
    surface = chance.choices(list(PATHS), [5, 5, 5, 3, 0 if doomed else 3])[0]
    mark = f"call-{seed}-{number}-"
    model = chance.choice(EMBEDS if surface == "embeddings" else CHATS)
    streams = surface != "embeddings" and chance.random() < 0.65
    cap = 0 if surface == "embeddings" else chance.choice([60, 150, 400])
    body = _body(chance, surface, model, mark, cap)
    if streams:
        body["stream"] = True
    choices = 2 if surface == "chat" and MODELS[model]["speaks"] == "chat" and chance.random() < 0.2 else 1
    body |= {"n": choices} if choices > 1 else {}
    call = Call(number, mark, surface, Asked(model, body, cap * choices), streams, caller)
    if doomed:
        call.doomed = True
        call.steers = [_held(chance, call)]
        return call
    what = chance.random()
    if what < 0.2:
        _leaving(chance, call)
    else:
        call.buffered = surface == "chat" and chance.random() < 0.4
        call.twice = what > 0.93
        faults = len(MODELS[model].get("regions", (0,))) * _parts(call)
        call.steers = [_steer(chance, call, calm=call.twice) for _ in range(faults)]
        if call.buffered and any(steer.body == "no-usage" for steer in call.steers):
            call.streams = False  # its text is priced as that of an answer that is read in one piece
            body.pop("stream", None)
    return call


def _body(chance: random.Random, surface: str, model: str, mark: str, cap: int) -> dict[str, Any]:
    prompt = f"{mark} " + "please " * chance.randrange(3, 60)
    if surface == "embeddings":
        texts = [f"{mark} {at} " + "word " * chance.randrange(1, 40) for at in range(chance.randrange(2, 5))]
        return {"model": model, "input": texts if model == "embeds-one-by-one" or chance.random() < 0.6 else texts[0]}
    if surface == "text":
        return {"model": model, "prompt": prompt, "max_tokens": cap}
    if surface == "responses":
        items: Any = prompt if chance.random() < 0.5 else [{"role": "user", "content": prompt}]
        return {"model": model, "input": items, "max_output_tokens": cap}
    marked = [{"type": "text", "text": prompt, "cache_control": {"type": "ephemeral"}}]
    turns: list[dict[str, Any]] = [{"role": "user", "content": prompt}]
    if surface == "messages" and chance.random() < 0.4:
        turns = [{"role": "user", "content": marked}]
    if chance.random() < 0.3:
        turns = [{"role": "user", "content": "Hello."}, {"role": "assistant", "content": "Yes?"}, *turns]
    return {"model": model, "messages": turns, "max_tokens": cap}


def _text(chance: random.Random, call: Call) -> dict[str, Any]:
    """The text of an answer, in words that each occur once, and the prompt's counts in addition to plain tokens. They
    are never more than the prompt's bytes allow, as with an honest provider."""
    words = [f"wq{at}z" for at in range(chance.randrange(1, 30))]
    said: dict[str, Any] = {"text": " ".join(words)}
    spare = call.asked.prompt // 4 if call.asked.cap else 0
    if spare and chance.random() < 0.5:
        said["cached"] = chance.randrange(spare)
    if call.asked.marked and chance.random() < 0.8:
        said |= {"cached": 0, "cache_write": chance.randrange(spare)}
    if call.asked.thinks:
        said["reasoning_tokens"] = chance.randrange(call.asked.cap // call.asked.body.get("n", 1) // 3)
    return said


def _parts(call: Call) -> int:
    return len(call.asked.inputs) if call.asked.model == "embeds-one-by-one" else 1


def _held(chance: random.Random, call: Call) -> Steer:
    """A stream that pauses after some events, or an answer that never begins."""
    if call.streams and not call.buffered:
        return Steer(**_text(chance, call), held=chance.randrange(1, 12))
    return Steer(**_text(chance, call), delay=FOREVER)


def _leaving(chance: random.Random, call: Call) -> None:
    call.leaves = chance.choice([0, 1, 2, 3, 5, 8, 13])
    held = chance.random() < 0.6
    plain = Steer(**_text(chance, call), chunk_delay=0.002 if chance.random() < 0.5 else 0.0)
    call.steers = [_held(chance, call) if held else plain]


def _steer(chance: random.Random, call: Call, *, calm: bool) -> Steer:
    streams = call.streams and not call.buffered
    weights = STREAM_FAULTS if streams else WHOLE_FAULTS
    fault = "none" if calm else _one(chance, list(weights), list(weights.values()))
    said = _text(chance, call)
    if streams and chance.random() < 0.3:
        said["chunk_delay"] = 0.003
    after = chance.randrange(0, 14)
    if fault == "status":
        return Steer(status=chance.choice(STATUSES))
    if fault in ("before", "headers"):
        return Steer(reset=fault)
    if fault in ("reset", "end"):
        return Steer(**said, reset="body" if fault == "reset" else fault, after=after)
    if fault == "error":
        return Steer(**said, stream_error=chance.choice(errors_of(call.asked)), after=after)
    if fault == "damaged":
        return Steer(**said, body=chance.choice(DAMAGES))
    return Steer(**said, body="" if fault == "none" else fault)


def errors_of(asked: Asked) -> Sequence[str]:
    """The errors with which an endpoint's streams may end."""
    return OF_AWS if MODELS[asked.model]["target"].startswith("bedrock/") else ("overloaded_error",)


def _one(chance: random.Random, what: Sequence[str], weights: Sequence[int]) -> str:
    return chance.choices(what, weights)[0]
