"""Imported before everything else by a function with much to import; `over` is called behind its last import.

Everything that a start imports lives as long as the process. Searching it for garbage again and again takes a sixteenth
of the CPU of a start, and finds next to nothing.

pydantic looks for plugins in the metadata of all installed packages. There are none: what it imports for the search
takes a twentieth of the CPU of a start, and the search itself more with each package. So this module stands in for the
one that searches.

typing compiles the text of each annotation of each named tuple and typed dictionary: 1,200 in a start, of which 300
differ, and a tenth of the CPU. So it is made to remember what it has compiled.
"""

from __future__ import annotations

import gc
import sys
import typing
from functools import lru_cache
from types import ModuleType

gc.disable()
_plugins = ModuleType("pydantic.plugin._loader")
vars(_plugins)["get_plugins"] = lambda: ()
sys.modules.setdefault(_plugins.__name__, _plugins)
vars(typing)["compile"] = lru_cache(maxsize=1_024)(compile)  # in front of the builtin


def over() -> None:
    """Switch the collector on again. It leaves out all objects that exist by now."""
    gc.freeze()
    gc.enable()
