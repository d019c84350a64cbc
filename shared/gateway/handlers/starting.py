"""Imported before everything else by a function with much to import; `over` is called behind its last import.

Everything that a start imports lives as long as the process. Searching it for garbage again and again takes a sixteenth
of the CPU of a start, and finds next to nothing.

pydantic looks for plugins in the metadata of all installed packages, and a function has no plugins. The imports for
the search take a twentieth of the CPU of a start, and the search itself takes more with each package. So this module
puts a substitute in the place of the module that searches.

typing compiles the text of each annotation of each typed dictionary: 800 in a start, most of them pydantic's, of which
240 differ. So it is made to remember the code, which nothing changes.

`tests/unit/test_startup.py` fails if a new pydantic or Python no longer takes notice of either (docs/decisions/0116).
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
