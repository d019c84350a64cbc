"""Makes a provider's error text fit for a client: without our account, our keys and the provider's hosts."""

from __future__ import annotations

import re
from typing import Final

_LONGEST: Final = 2_000
_READ: Final = 2 * _LONGEST
# A field's path (`messages.0.content.1.text`) is not a host: a host ends in a known top-level domain.
_DOMAIN: Final = r"(?:com|net|org|io|ai|dev|cloud|app|aws|internal|local|lan|corp|svc|cn|de|eu|uk|us)"
_MASKS: Final = (
    (re.compile(r"\barn:[^\s\"'<>,;)]+"), "<arn>"),
    (re.compile(r"\b[a-z][a-z0-9+.-]{1,20}://[^\s\"'<>)]+", re.IGNORECASE), "<url>"),
    (re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}"), "<address>"),
    (re.compile(r"\b(?:bearer|basic)\s+[\w.~+/=-]{8,}", re.IGNORECASE), "<key>"),
    (re.compile(r"\b(?:sk|pk|rk|xai|gsk|AIza|ABSK)[-_][\w-]{6,}"), "<key>"),
    (re.compile(r"(?<![A-Z0-9])(?:AKIA|ASIA)[A-Z0-9]{8,}|\b(?:ABSK|AIza)[\w+/=-]{12,}"), "<key>"),
    (re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE), "<id>"),
    (re.compile(rf"\b(?:[a-z0-9-]{{1,63}}\.){{1,6}}{_DOMAIN}(?::\d{{1,5}})?\b", re.IGNORECASE), "<host>"),
    (re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}(?::\d{1,5})?\b|\blocalhost(?::\d{1,5})?\b"), "<host>"),
    (re.compile(r"(?<![\d.])\d{12}(?![\d.])"), "<account>"),
)
_LONG: Final = re.compile(r"(?<![\w/+=-])(?!(?:srv)?toolu_|call_)[\w/+=-]{20,}")  # ids that the client knows stay
# Written as what it is, not as what it is not: a class of a million characters takes 5 ms to compile.
_UNPRINTABLE: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def masked(text: object, *secrets: str) -> str:
    """The text with each secret part replaced by its kind; empty if `text` is not text. `secrets` are masked wherever
    they occur."""
    if not isinstance(text, str):
        return ""
    said = text[:_READ].encode("utf-8", "replace").decode()
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        said = said.replace(secret, "<hidden>")
    if len(text) > _READ:  # the text was cut, and no pattern recognizes a part of a key
        said = said.rpartition(" ")[0]
    for pattern, kind in _MASKS:
        said = pattern.sub(kind, said)
    return _UNPRINTABLE.sub("", _LONG.sub(_unless_words, said))[:_LONGEST]


def _unless_words(long: re.Match[str]) -> str:
    """Masks a long run that mixes letters and digits, because it is not a word but a key, a token or an id. Models'
    names stay: they are words between hyphens."""
    runs = (run for run in long[0].split("-") if len(run) >= 16)
    mixed = any(re.search(r"\d", run) and re.search(r"[A-Za-z]", run) for run in runs)
    return "<id>" if mixed else long[0]
