"""Providers as data: where each is, how it is called, and what its host is peculiar about.

`data/vendors.json` holds the packaged ones (`vendors`), what every provider of the config is (`configured`), and the
peculiarities of hosts by domain (`hosts`). Of a provider it says:

- `kind`: the adapter of `gateway.vendors` that calls it; `credential`: `key` (a Bearer token), `aws`, or `none`.
- `baseUrl`: `{region}` and `{domain}` are the region's that it is called in. `service`: what AWS's own variables for
  another endpoint (AWS_ENDPOINT_URL_<SERVICE>) call it.
- `dialects`: the path of each wire format that it speaks.

Of a host, and of a provider in the config:

- `caps`: the names of the output cap that it takes, one at a time, the first where the client names none. Unknown, it
  always gets `max_tokens`, and the other name too where the client uses it.
- `serviceTier`: what is asked for where the client asks for none: else a setting of our account, which may be a dearer
  tier, would decide what a call costs.
- `passFields`: request fields beyond the dialect's own that may go there; `passesAll`: any field may.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_DATA = Path(__file__).parent.parent / "data" / "vendors.json"


@dataclass(frozen=True, slots=True)
class Quirks:
    caps: tuple[str, ...] = ()
    service_tier: str | None = None
    pass_fields: tuple[str, ...] = ()
    passes_all: bool = False


@dataclass(frozen=True, slots=True)
class Vendor:
    """`secret` is a name below the deployment's prefix for providers of the config; packaged ones have theirs from the
    deployment itself."""

    name: str
    kind: str
    credential: str
    dialects: Mapping[str, str]
    base_url: str
    service: str = ""
    secret: str = ""
    quirks: Quirks = field(default_factory=Quirks)


@lru_cache(maxsize=1)
def packaged() -> Mapping[str, Vendor]:
    """The packaged providers by name; a deployment uses those that it names."""
    return {
        name: Vendor(
            name=name,
            kind=said["kind"],
            credential=said["credential"],
            dialects=said["dialects"],
            base_url=said["baseUrl"],
            service=said.get("service", ""),
        )
        for name, said in _data()["vendors"].items()
    }


def configured(name: str, *, base_url: str, credential: str, secret: str, quirks: Quirks) -> Vendor:
    """A provider of the config."""
    said = _data()["configured"]
    return Vendor(name, said["kind"], credential, said["dialects"], base_url=base_url, secret=secret, quirks=quirks)


def quirks_at(endpoint: str, said: Quirks) -> Quirks:
    """What holds at an endpoint: what was said of the provider, over what is known of the host."""
    host = urlsplit(endpoint).hostname or ""
    hosts: Mapping[str, Mapping[str, Any]] = _data()["hosts"]
    known = next((each for domain, each in hosts.items() if host == domain or host.endswith(f".{domain}")), {})
    return replace(
        said,
        caps=said.caps or tuple(known.get("caps", ())),
        service_tier=said.service_tier or known.get("serviceTier"),
        passes_all=bool(known.get("passesAll")),
    )


@lru_cache(maxsize=1)
def _data() -> Mapping[str, Any]:
    data: dict[str, Any] = json.loads(_DATA.read_bytes())
    return data
