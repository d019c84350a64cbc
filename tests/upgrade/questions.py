"""The questions that a gateway is asked about its stored data, and the comparison of one version's answers with
another's."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tests.upgrade.life import ADMIN, CHAT, LARGE, SESSION, SLOW, STREAMED, Life
from tests.upgrade.version import Version

Question = dict[str, Any]
_DAYS = "from=2026-11-01&to=2026-11-30"
_DIMENSIONS = ("key", "model", "provider", "tier", "tag", "team", "day", "hour", "total")
_CHAT_PATH = "/v1/chat/completions"


def answered(life: Life) -> list[Question]:
    """Every question with its status and answer, as this life's version answers now."""
    found = []
    for question in _questions(life.ids):
        found.append(_asked(life.version, question, life.keys))
        following = found[-1]["answer"].get("next_cursor")
        if question.get("pages") and following:
            found.append(_asked(life.version, question | {"url": f"{question['url']}&cursor={following}"}, life.keys))
    return found


def differences(reader: Version, questions: list[Question], keys: Mapping[str, str], *, all_of_it: bool) -> list[str]:
    """The differences between the answers of this version and those of the version that wrote. With `all_of_it`, every
    field of the old answer must be there; otherwise only the fields in both answers must agree, because a version
    may not know every field yet."""
    wrong = []
    for question in questions:
        name = f"{question['method']} {question['url']} by {question['key']}"
        again = _asked(reader, question, keys)
        if again["status"] != question["status"]:
            wrong.append(
                f"{name}: {again['status']} instead of {question['status']}: {json.dumps(again['answer'])[:300]}"
            )
        else:
            wrong += [f"{name}: {each}" for each in _compared(question["answer"], again["answer"], all_of_it)]
    return wrong


def _asked(version: Version, question: Question, keys: Mapping[str, str]) -> Question:
    headers, key = question.get("headers", {}), keys[question["key"]]
    reply = version.ask(question["method"], question["url"], question.get("body"), key, **headers)
    answer = reply.body if reply.text.startswith("{") else {}
    if "only" in question and reply.status == 200:
        answer = {path: _at(answer, path) for path in question["only"]}
    if reply.status >= 400:  # the wording may change, the facts may not
        answer = {"code": answer.get("error", answer).get("code")} if isinstance(answer.get("error", ""), dict) else {}
    # otherwise a new answer with the same content could not be distinguished from a stored one
    if question["method"] == "POST":
        answer["replayed"] = reply.headers.get("idempotency-replayed")
    return question | {"status": reply.status, "answer": answer}


def _questions(ids: Mapping[str, str]) -> Iterator[Question]:
    yield from (_get(f"{ADMIN}/{path}") for path in ("keys?limit=100", "teams?limit=9", "users?limit=9"))
    yield _get(f"{ADMIN}/keys?limit=3") | {"pages": True}
    yield from (_get(f"{ADMIN}/keys/{ids[name]}") for name in ("full", "rotated", "revoked", "raised", "elsewhere"))
    yield from (_get(f"{ADMIN}/{path}") for path in ("teams/blue", "users/anne", "circuit-breakers"))
    only = ["version", "config.rateLimits.basic.requestsPerMinute", "config.models.house", "config.cacheMarks"]
    yield _get(f"{ADMIN}/config") | {"only": only}
    yield from (_get(f"{ADMIN}/usage?group_by={each}&{_DAYS}") for each in _DIMENSIONS)
    yield _get(f"{ADMIN}/usage?group_by=key&limit=1&{_DAYS}") | {"pages": True}
    yield _get(f"{ADMIN}/usage/sessions?key={ids['agent']}")
    yield _get(f"{ADMIN}/usage/sessions/{SESSION}?key={ids['agent']}")
    yield _get(f"{ADMIN}/corrections?month=2026-11")
    yield from (_get(f"{ADMIN}/teams/{team}/statements?month=2026-11") for team in ("blue", "-"))
    yield _get("/api/v1/products?limit=2") | {"pages": True}
    yield from (_get(path) for path in ("/api/v1/products/search?q=headphones", f"{ADMIN}/products/p2"))
    yield from (_get("/v1/key", key) for key in ("full", "raised", "elsewhere"))
    yield _get("/v1/models", "rotated-before") | {"only": []}
    yield from (_get("/v1/models", key) | {"only": []} for key in ("revoked", "deleted"))
    for key, claim, body in (
        ("full", "once", CHAT),
        ("full", "large", LARGE),
        ("agent", "streamed", STREAMED),
        ("crashed", "died-again", SLOW),
    ):
        yield {"method": "POST", "url": _CHAT_PATH, "key": key, "body": body, "headers": {"idempotency_key": claim}}
    for key in ("three", "poor", "elsewhere", "single", "revoked"):
        yield {"method": "POST", "url": _CHAT_PATH, "key": key, "body": CHAT}


def _get(url: str, key: str = "admin") -> Question:
    return {"method": "GET", "url": url, "key": key}


def _at(answer: Any, path: str) -> Any:
    for name in path.split("."):
        answer = answer.get(name) if isinstance(answer, dict) else None
    return answer


def _compared(said: Any, again: Any, all_of_it: bool, path: str = "") -> Iterator[str]:
    """The parts of the old answer that are missing or different in the new one, by path."""
    if isinstance(said, dict) and isinstance(again, dict):
        for name, value in said.items():
            if name in again:
                yield from _compared(value, again[name], all_of_it, f"{path}.{name}")
            elif all_of_it:
                yield f"{path}.{name} is gone"
    elif isinstance(said, list) and isinstance(again, list) and len(said) == len(again):
        for number, (one, other) in enumerate(zip(said, again, strict=True)):
            yield from _compared(one, other, all_of_it, f"{path}[{number}]")
    elif said != again:
        yield f"{path}: {json.dumps(again)[:200]} instead of {json.dumps(said)[:200]}"
