"""Providers as data: where each one is, how it is called, and the quirks of its host.

`data/vendors.json` has the packaged providers (`vendors`), the fields that every provider of the config has
(`configured`), and known facts of hosts (`hosts`): their `baseUrl` and their quirks. Those hold at the host's
`domains`, and for a provider of the config that has the host's name. A provider has these fields:

- `kind`: the adapter of `gateway.vendors` that calls it; `credential`: `key` (a Bearer token), `aws`, or `none`.
- `baseUrl`: `{region}` and `{domain}` are those of the region that it is called in. `service`: its name in AWS's
  variables for another endpoint (AWS_ENDPOINT_URL_<SERVICE>).
- `endpoints`: by name, where it takes calls and in which wire format: `dialect`, `path` (`{model}` is the model's id,
  quoted), `streamPath` if a stream has a different one, and `signingName`, the service's name in a signature.
- `models`: the endpoints of a model, best first. The first line whose `pattern` matches the id counts (without a
  geography in front; of an ARN, the part after the last slash). `profile`: the model answers only by an inference
  profile, so its id has to begin with a geography. `oneTool`: it takes Anthropic's `tool_choice` among its own fields.
  `sampling`: whether it takes a temperature and `top_p` (`all`), one of them (`one`, the default), or `none`.
  `thinking`: how to ask it to think if that takes a separate object: `adaptive`, or by a `budget` of tokens.
  `dimensions`: the lengths that its vectors may have, if a request has to name one.
- `counts`: for which models it counts tokens, if an endpoint says how: patterns of ids, as in `models`. Default: all.
- `geography`: the one geography (`eu`, `us`, ...) in which its models run and its data is kept, if its contract says
  so. By default the place is unknown, and a key that is bound to a geography calls nothing there. A provider with one
  host per region (`{region}`) needs none: the region and the model's id decide.

A host, an endpoint and a provider in the config have these:

- `caps`: the names of the output cap that it takes, one at a time, first the one to use if the client names none. If
  they are unknown, it always gets `max_tokens`, and also the other name if the client uses it.
- `serviceTier`: the tier to ask for if the client asks for none. Otherwise a setting of our account, perhaps a more
  expensive tier, would decide what a call costs.
- `stores`: it may store chats unless a call says no, so each call does (for Responses, at every host).
- `passFields`: request fields beyond the dialect's that may go there; `passesAll`: any field may.

A host has these, since it would answer the whole request with an error:

- `omits`: the gateway's fields that never leave. `drops`: fields that do not change the answer; they are left out and
  named (`messages[].name` of each message). `refuses`: fields that do change it; they are refused by their path.
  `renames`: the host's name for a field.
- `toolIdLength`: ids of tool calls have exactly so many letters and digits there.
- `keyHeader`: the header for its key, if that is not a Bearer token.

Only an endpoint has these:

- `betasInBody`: betas, and the version, are in the body, each with its fields (`data/betas.json`).
- `metadataHeader`: the header for metadata in the provider's log, if the body has no place for it.
- `onlyAt`: the domains at which it is known to exist; at another base URL it is called only if the config names it.
- `mode`: the mode of the models that it calls, as in prices: `chat` (the default) or `embedding`.
- `count`: how it is asked for a prompt's token count: `path` (`{model}` is the model's own id, without a geography),
  and which fields of the body to leave out (`omits`), or which are the only ones to send (`keeps`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import replace

_DATA = Path(__file__).parent.parent / "data" / "vendors.json"

Sampling = Literal["all", "one", "none"]  # which of temperature and `top_p` a model takes; with none no `top_k` either
Thinking = Literal["", "adaptive", "budget"]  # how to ask a model to think, apart from the effort; empty: not at all


class Quirks(Struct, frozen=True):
    caps: tuple[str, ...] = ()
    service_tier: str | None = None
    pass_fields: tuple[str, ...] = ()
    passes_all: bool = False
    stores: bool = False
    betas_in_body: bool = False
    omits: tuple[str, ...] = ()
    drops: tuple[str, ...] = ()
    refuses: tuple[str, ...] = ()
    renames: tuple[tuple[str, str], ...] = ()
    tool_id_length: int = 0
    key_header: str = ""


class Counting(Struct, frozen=True):
    """How an endpoint is asked how many tokens a prompt has. `keeps`: the fields of a body that may go there; if empty,
    all except `omits`."""

    path: str
    omits: tuple[str, ...] = ()
    keeps: tuple[str, ...] = ()


class Endpoint(Struct, frozen=True):
    """Where a provider takes calls in one wire format. `path` is appended to its base URL; `stream_path` is the path
    that answers as a stream. `signing_name` is empty if nothing is signed."""

    name: str
    dialect: str
    path: str
    stream_path: str
    signing_name: str = ""
    metadata_header: str = ""
    only_at: tuple[str, ...] = ()
    quirks: Quirks = Quirks()
    mode: str = "chat"
    counting: Counting | None = None

    def is_at(self, base_url: str) -> bool:
        """Whether it is known to exist at this base URL."""
        host = urlsplit(base_url).hostname or ""
        return not self.only_at or f".{host}".endswith(tuple(f".{each}" for each in self.only_at))


class ModelRule(Struct, frozen=True):
    """The rule for models whose id matches `pattern`. It has the names of their endpoints, best first, and whether they
    answer only by an inference profile. `one_tool` and `sampling` say whether they take Anthropic's `tool_choice` among
    their own fields, and which of temperature and `top_p`. `thinking` is how to ask them to think, `dimensions` the
    lengths of their vectors, empty if unknown."""

    pattern: str
    endpoints: tuple[str, ...]
    profile: bool = False
    one_tool: bool = False
    sampling: Sampling = "one"
    thinking: Thinking = ""
    dimensions: tuple[int, ...] = ()


class Vendor(Struct, frozen=True):
    """`secret` is a name below the deployment's prefix, for providers of the config; the deployment gives packaged ones
    theirs."""

    name: str
    kind: str
    credential: str
    endpoints: Mapping[str, Endpoint]
    models: tuple[ModelRule, ...]
    base_url: str
    service: str = ""
    secret: str = ""
    quirks: Quirks = Quirks()
    geography: str = ""
    counts: tuple[str, ...] = ("*",)

    @property
    def regional(self) -> bool:
        """Whether it has regions that it may be called in: the place where it runs then follows from the region and the
        model's id."""
        return "{region}" in self.base_url


@lru_cache(maxsize=1)
def packaged() -> Mapping[str, Vendor]:
    """The packaged providers by name. A deployment uses those that it names."""
    return {
        name: Vendor(
            name=name,
            kind=said["kind"],
            credential=said["credential"],
            endpoints=_endpoints(said["endpoints"]),
            models=_rules(said["models"]),
            base_url=said["baseUrl"],
            service=said.get("service", ""),
            geography=said.get("geography", ""),
            counts=tuple(said.get("counts", ("*",))),
        )
        for name, said in _data()["vendors"].items()
    }


def configured(
    name: str, *, base_url: str, credential: str, secret: str, quirks: Quirks, geography: str = ""
) -> Vendor:
    """A provider of the config."""
    said = _data()["configured"]
    return Vendor(
        name,
        said["kind"],
        credential,
        _endpoints(said["endpoints"]),
        _rules(said["models"]),
        base_url=base_url,
        secret=secret,
        quirks=quirks,
        geography=geography,
    )


def quirks_of(vendor: Vendor, endpoint: Endpoint, base_url: str) -> Quirks:
    """The quirks at an endpoint: the provider's entry wins over the facts known of the endpoint and the host."""
    known = quirks_at(base_url, vendor.quirks, vendor.name)
    return replace(
        known,
        stores=known.stores or endpoint.quirks.stores,
        betas_in_body=endpoint.quirks.betas_in_body,
        caps=known.caps or endpoint.quirks.caps,
        service_tier=known.service_tier or endpoint.quirks.service_tier,
        pass_fields=(*known.pass_fields, *endpoint.quirks.pass_fields),
        passes_all=known.passes_all or endpoint.quirks.passes_all,
    )


def quirks_at(base_url: str, said: Quirks, name: str = "") -> Quirks:
    """The quirks at a base URL: the entry of the provider of this name wins over the facts known of the host."""
    host = urlsplit(base_url).hostname or ""
    hosts: Mapping[str, Mapping[str, Any]] = _data()["hosts"]
    there = (each for each in hosts.values() if f".{host}".endswith(tuple(f".{it}" for it in each.get("domains", ()))))
    elsewhere = name in packaged() and packaged()[name].base_url  # it may be sent to any host
    known = next(there, {} if elsewhere else hosts.get(name, {}))
    return replace(
        said,
        caps=said.caps or tuple(known.get("caps", ())),
        service_tier=said.service_tier or known.get("serviceTier"),
        passes_all=said.passes_all or bool(known.get("passesAll")),
        stores=said.stores or bool(known.get("stores")),
        omits=tuple(known.get("omits", ())),
        drops=tuple(known.get("drops", ())),
        refuses=tuple(known.get("refuses", ())),
        renames=tuple(known.get("renames", {}).items()),
        tool_id_length=known.get("toolIdLength", 0),
        key_header=known.get("keyHeader", ""),
    )


def known_hosts() -> Mapping[str, str]:
    """Hosts that the config may turn on by name, and their base URLs; "" if each customer has a different one."""
    return {name: each.get("baseUrl", "") for name, each in _data()["hosts"].items() if name not in packaged()}


def _endpoints(said: Mapping[str, Mapping[str, Any]]) -> dict[str, Endpoint]:
    return {name: _endpoint(name, each) for name, each in said.items()}


def _endpoint(name: str, said: Mapping[str, Any]) -> Endpoint:
    return Endpoint(
        name=name,
        dialect=said["dialect"],
        path=said["path"],
        stream_path=said.get("streamPath", said["path"]),
        signing_name=said.get("signingName", ""),
        metadata_header=said.get("metadataHeader", ""),
        only_at=tuple(said.get("onlyAt", ())),
        mode=said.get("mode", "chat"),
        counting=_counting(said["count"]) if "count" in said else None,
        quirks=Quirks(
            caps=tuple(said.get("caps", ())),
            service_tier=said.get("serviceTier"),
            passes_all=said.get("passesAll", False),
            stores=said.get("stores", False),
            betas_in_body=said.get("betasInBody", False),
        ),
    )


def _counting(said: Mapping[str, Any]) -> Counting:
    return Counting(said["path"], tuple(said.get("omits", ())), tuple(said.get("keeps", ())))


def _rules(said: Sequence[Mapping[str, Any]]) -> tuple[ModelRule, ...]:
    return tuple(
        ModelRule(
            each["pattern"],
            tuple(each["endpoints"]),
            profile=each.get("profile", False),
            one_tool=each.get("oneTool", False),
            sampling=each.get("sampling", "one"),
            thinking=each.get("thinking", ""),
            dimensions=tuple(each.get("dimensions", ())),
        )
        for each in said
    )


@lru_cache(maxsize=1)
def _data() -> Mapping[str, Any]:
    data: dict[str, Any] = json.loads(_DATA.read_bytes())
    return data
