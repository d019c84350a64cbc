"""Reads the text of a custom tool's call from its function's arguments as they arrive: `{"input": "..."}`."""

from __future__ import annotations

import json
import re
from typing import Final

from gateway.dialects.responses.tools import INPUT, as_text

_BEGIN: Final = re.compile(r'\s*\{\s*"' + INPUT + r'"\s*:\s*"')
# The longest complete run: no escape is cut, and no surrogate pair is split.
_WHOLE: Final = re.compile(
    r'(?:[^"\\\ud800-\udfff]|\\(?:["\\/bfnrt]|u(?!d[89ab])[0-9a-f]{4}|ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}))*',
    re.IGNORECASE,
)


class InputText:
    """`text` is what was returned so far."""

    def __init__(self) -> None:
        self._arguments = ""
        self._at = -1  # how far the arguments were read; below 0 before the text begins
        self.text = ""

    def hear(self, piece: str) -> str:
        """The part of the text that this piece completes."""
        self._arguments += piece
        if self._at < 0:
            begun = _BEGIN.match(self._arguments)
            if begun is None:
                return ""
            self._at = begun.end()
        found = _WHOLE.match(self._arguments, self._at)
        assert found is not None  # noqa: S101  it matches the empty text too
        self._at = found.end()
        try:
            said: str = json.loads(f'"{found[0]}"', strict=False)
        except ValueError:
            said = ""
        self.text += said
        return said

    def end(self) -> str:
        """The whole text. If it differs from the text that was already returned, that text stays: a client has read
        it."""
        whole = as_text(self._arguments)
        return whole if whole.startswith(self.text) else self.text
