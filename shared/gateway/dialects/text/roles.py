"""Legacy completions as clients speak them. No endpoint is asked in this form: its models are retired."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

from gateway.dialects.neutral import Delta, Request, Text, Turn
from gateway.dialects.text.policy import PASSED, check_fields
from gateway.dialects.text.schema import prompt_of
from gateway.dialects.text.writer import Writer, completion
from gateway.dialects.written import Asked

# The fields' names, by chat's names for them.
PATHS: Final[Mapping[str, str]] = {"max_completion_tokens": "max_tokens", "messages": "prompt"}


class _Client:
    """See `gateway.dialects.pairs.Client`."""

    def read(self, asked: Asked) -> tuple[Request, list[str]]:
        body = {name: value for name, value in asked.body.items() if value is not None}
        check_fields(body)
        stop = body.get("stop") or ()
        request = Request(
            turns=(Turn("user", (Text(prompt_of(body["prompt"]), at="prompt"),), at="prompt"),),
            cap=asked.cap,
            temperature=body.get("temperature"),
            top_p=body.get("top_p"),
            stop=(stop,) if isinstance(stop, str) else tuple(stop),
            rest={name: value for name, value in body.items() if name in PASSED},
            paths=PATHS,
        )
        return request, []

    def whole(self, deltas: Iterable[Delta], *, known: str, model: str) -> dict[str, Any]:
        return completion(deltas, _frame(known, model))

    def writer(self, *, known: str, model: str) -> Writer:
        return Writer(_frame(known, model))


def _frame(known: str, model: str) -> dict[str, Any]:
    return {"id": f"cmpl-{known}", "created": int(time.time()), "model": model}


CLIENT: Final = _Client()
