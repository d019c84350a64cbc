"""JSON as text, by encoders that are made once."""

from __future__ import annotations

import json
from collections.abc import Callable
from json import encoder
from typing import Any


def writer(
    *, ascii_only: bool = True, allow_nan: bool = True, default: Callable[[Any], Any] | None = None
) -> Callable[[Any], str]:
    """What writes a value without blanks. `default` says what stands for a value that JSON has not; without it such a
    value raises TypeError.

    json.dumps makes an encoder at each call, and JSONEncoder.encode the part of it that is written in C: half of what a
    short text costs. Only what looks for a value that holds itself is left out, which no JSON does that was read.
    """
    made = json.JSONEncoder(
        ensure_ascii=ascii_only, check_circular=False, allow_nan=allow_nan, separators=(",", ":"), default=default
    )
    make: Any = getattr(encoder, "c_make_encoder", None)  # what json itself uses, where the interpreter has it
    if make is None:
        return made.encode
    string = encoder.encode_basestring_ascii if ascii_only else encoder.encode_basestring
    parts = make(None, made.default, string, None, ":", ",", False, False, allow_nan)
    return lambda value: "".join(parts(value, 0))
