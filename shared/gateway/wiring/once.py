"""A part of a gateway: it is made once, on first use, and is then a normal attribute."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from functools import cached_property as once
else:
    from functools import cached_property

    class once(cached_property):  # noqa: N801  lower case, since it is used as a decorator
        """A cached_property that two concurrent requests make once: from Python 3.12 on, functools would make two."""

        _making = threading.RLock()  # reentrant: making one part may need others

        def __get__(self, instance: Any, owner: Any = None) -> Any:
            with self._making:
                return super().__get__(instance, owner)


__all__ = ["once"]
