"""The effective config: stored overrides on packaged defaults, read again at most every ten seconds."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct

from gateway import observability
from gateway.config.document import Config, parse_config
from gateway.config.patches import merge_patch
from gateway.config.store import Overrides
from gateway.errors import GatewayError, StoreUnavailable

_FRESH_SECONDS = 10.0


class OverridesStore(Protocol):
    def current(self, *, consistent: bool = False) -> Overrides: ...
    def save(self, replaced: Overrides, document: Mapping[str, Any], *, by: str, at: str) -> Overrides | None: ...


@lru_cache(maxsize=1)
def defaults() -> Mapping[str, Any]:
    """The packaged config document."""
    document: dict[str, Any] = json.loads((Path(__file__).parents[1] / "data" / "config.json").read_bytes())
    return document


@lru_cache(maxsize=1)
def packaged() -> Config:
    """The packaged config without overrides."""
    return parse_config(defaults())


class ConfigSource(Struct):
    """The last good config of this container. `clock` gives seconds of a monotonic clock."""

    store: OverridesStore
    clock: Callable[[], float] = time.monotonic
    _config: Config | None = None
    _version: int = -1
    _read: float = 0.0

    def get(self) -> Config:
        """Raises StoreUnavailable only if no good config was ever read: limits are not guessed."""
        now = self.clock()
        if self._config is not None and now - self._read < _FRESH_SECONDS:
            return self._config
        try:
            overrides = self.store.current()
            if self._config is None or overrides.version != self._version:
                self._config = parse_config(merge_patch(defaults(), overrides.document))
                self._version = overrides.version
        except GatewayError as error:
            observability.log.error("config could not be read", extra={"reason": error.code, "param": error.param})
            if self._config is None:
                raise StoreUnavailable("The config can't be read; try again.", retry_after=1) from error
        self._read = now
        return self._config
