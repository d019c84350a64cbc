"""The form in which names and words are compared."""

from __future__ import annotations

import unicodedata

# Marks and characters without width (joiners, soft hyphens, marks of direction): neither part of a word nor its end.
_UNSEEN = ("Mn", "Mc", "Me", "Cf")


def folded(text: str) -> str:
    """The text without case, accents, other widths of letters, and unseen characters.

    >>> folded("ÉLEC\u00adTRONICS")
    'electronics'
    """
    plain = unicodedata.normalize("NFKD", text).casefold()
    return "".join(char for char in plain if unicodedata.category(char) not in _UNSEEN)
