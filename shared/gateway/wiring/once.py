"""A thing of a gateway: made when it is first asked for, once, and then an attribute like any other."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from functools import cached_property as once
else:
    from functools import cached_property

    class once(cached_property):  # noqa: N801  it reads as what it is: a decorator
        """A cached_property that two requests at once make once: from Python 3.12 on, functools would make two."""

        _making = threading.RLock()  # one thing asks for others

        def __get__(self, instance: Any, owner: Any = None) -> Any:
            with self._making:
                return super().__get__(instance, owner)


__all__ = ["once"]
