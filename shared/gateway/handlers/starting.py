"""Imported before everything else by a function with much to import; `over` is called behind its last import.

What is imported lives as long as the process. To look through it for garbage again and again takes a sixteenth of the
CPU of a start, and finds next to nothing.
"""

from __future__ import annotations

import gc

gc.disable()


def over() -> None:
    """Look for garbage from here on, but not in what there is by now."""
    gc.freeze()
    gc.enable()
