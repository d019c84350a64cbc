"""The answers of the health routes. A container reads the store at most once in five seconds, and asks no provider."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from typing import Any, Protocol

from msgspec import Struct, field

from gateway.breakers.summary import summary_of
from gateway.errors import StoreError, StoreUnavailable
from gateway.health.store import HealthFacts
from gateway.times import rfc3339

_FRESH_SECONDS = 5.0
_MEMORY = {"VmRSS": "usedBytes", "VmHWM": "peakBytes"}
_STARTED = time.monotonic()


class HealthReader(Protocol):
    def facts(self) -> HealthFacts: ...


class _Probe(Struct, frozen=True):
    facts: HealthFacts
    up: bool
    latency_ms: float
    at: float


class Health(Struct):
    """`clock` gives seconds of a steady clock, `now` seconds since the epoch."""

    version: str
    environment: str
    region: str
    providers: tuple[str, ...]
    memory_mb: int
    store: Callable[[], HealthReader]
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    _last: _Probe | None = field(default=None)

    def alive(self) -> dict[str, Any]:
        """Says that this function runs; it checks nothing else."""
        return {"status": "healthy", "version": self.version, "timestamp": rfc3339(self.now())}

    def summary(self) -> dict[str, Any]:
        """Like `alive`, with the status of each service."""
        services = {name: facts["status"] for name, facts in self._services().items()}
        return self.alive() | {
            "status": self._status(),
            "environment": self.environment,
            "region": self.region,
            "services": services,
        }

    def detailed(self) -> dict[str, Any]:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        system = {
            "status": self._status(),
            "uptime": round(time.monotonic() - _STARTED, 3),
            "memory": {**_memory(), "limitMb": self.memory_mb},
            "cpuSeconds": round(usage.ru_utime + usage.ru_stime, 3),
        }
        return self.alive() | {
            "status": self._status(),
            "environment": self.environment,
            "system": system,
            "services": self._services(),
        }

    def breakers(self) -> dict[str, Any]:
        """The breakers of each configured provider, merged into one, so as not to show which of its models are called
        here. Raises StoreUnavailable."""
        now, known = round(self.now() * 1_000), self._known().breakers
        states = {}
        for provider in self.providers:
            summary = summary_of(provider, known, now)
            states[provider] = {
                "state": summary.state,
                "open": summary.open,
                "failures": summary.failures,
                "openedAt": None if summary.opened is None else rfc3339(summary.opened / 1_000),
            }
        return {"circuitBreakers": states, "timestamp": rfc3339(self.now())}

    def metrics(self) -> dict[str, Any]:
        """Coarse counters; the usage report has what is billed. Raises StoreUnavailable."""
        observed = self._known().observed
        counters = {name: observed.get(name, 0) for name in ("requests", "errors", "tokens")}
        return {"metrics": counters, "timestamp": rfc3339(self.now())}

    def _services(self) -> dict[str, dict[str, Any]]:
        probe = self._probe()
        now = round(self.now() * 1_000)
        services: dict[str, dict[str, Any]] = {
            "dynamodb": {"status": "up" if probe.up else "down", "latencyMs": round(probe.latency_ms, 1)}
        }
        for provider in self.providers:
            summary, seen = summary_of(provider, probe.facts.breakers, now), probe.facts.observed
            # A provider is not down while some of its models answer.
            status = "down" if summary.reach == "open" else "up" if summary.state == "closed" else "degraded"
            services[provider] = {
                "status": status,
                "circuitBreaker": summary.state,
                "latencyMs": seen.get(f"{provider}|latency_ms"),
                "lastSeen": rfc3339(seen[f"{provider}|at"] / 1_000) if f"{provider}|at" in seen else None,
            }
        return services

    def _status(self) -> str:
        if not self._probe().up:
            return "unhealthy"
        states = [facts["status"] for name, facts in self._services().items() if name != "dynamodb"]
        return "unhealthy" if states and set(states) == {"down"} else "degraded" if set(states) - {"up"} else "healthy"

    def _known(self) -> HealthFacts:
        probe = self._probe()
        if not probe.up:
            raise StoreUnavailable("The gateway's state can't be read now; try again.", retry_after=_FRESH_SECONDS)
        return probe.facts

    def _probe(self) -> _Probe:
        now = self.clock()
        if self._last is None or now - self._last.at >= _FRESH_SECONDS:
            self._last = self._read(now)
        return self._last

    def _read(self, now: float) -> _Probe:
        started = time.perf_counter()
        try:
            facts, up = self.store().facts(), True
        except (StoreUnavailable, StoreError):
            facts, up = (self._last.facts if self._last else HealthFacts()), False
        return _Probe(facts, up, (time.perf_counter() - started) * 1_000, now)


def _memory() -> dict[str, int]:
    """This process's memory now and at its peak, in bytes. On Linux `ru_maxrss` includes the memory of the process that
    started this one, so it is only used if nothing else gives the peak."""
    found: dict[str, int] = {}
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as lines:  # noqa: PTH123  pathlib is not loaded
            for line in lines:
                name, _, said = line.partition(":")
                if name in _MEMORY:
                    found[_MEMORY[name]] = int(said.split()[0]) * 1_024
    except (OSError, ValueError, IndexError):
        pass
    if "peakBytes" not in found:
        unit = 1 if sys.platform == "darwin" else 1_024
        found["peakBytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return found
