"""Providers as data: where each is, how it is called, and what its host is peculiar about.

`data/vendors.json` holds the packaged ones (`vendors`), what every provider of the config is (`configured`), and what
is known of hosts (`hosts`): their `baseUrl`, and what they are peculiar about, which holds at their `domains`, and for
a provider of the config that has the host's name. Of a provider it says:

- `kind`: the adapter of `gateway.vendors` that calls it; `credential`: `key` (a Bearer token), `aws`, or `none`.
- `baseUrl`: `{region}` and `{domain}` are the region's that it is called in. `service`: what AWS's own variables for
  another endpoint (AWS_ENDPOINT_URL_<SERVICE>) call it.
- `endpoints`: by name, where it takes calls, and in which wire format: `dialect`, `path` (`{model}` is the model's id,
  quoted), `streamPath` where a stream has another one, and `signingName`, which a signature holds of the service.
- `models`: which endpoints a model has, the one that is best for it first: the first line whose `pattern` fits its id
  (without a geography in front, of an ARN what follows the last slash). `profile`: it answers by an inference profile
  alone, so its id has to begin with a geography. `oneTool`: it takes Anthropic's `tool_choice` among its own fields.
  `sampling`: whether it takes a temperature and `top_p` (`all`), one of them (`one`, where nothing is said), or `none`.
  `thinking`: how it is told to think, where that takes an object of its own: `adaptive`, or by a `budget` of tokens.
  `dimensions`: of what lengths its vectors may be, where an endpoint of its own has to be told.
- `counts`: whose tokens it counts where an endpoint says how: forms of ids, as in `models`. Not said: of all.
- `geography`: where its models run and what it is sent is kept, where that is one geography (`eu`, `us`, ...) by its
  contract. Not said, nobody knows: a key that is bound to a geography calls nothing there. A host of each region
  (`{region}`) needs none: the region and the model's id tell.

Of a host, of an endpoint, and of a provider in the config:

- `caps`: the names of the output cap that it takes, one at a time, the first where the client names none. Unknown, it
  always gets `max_tokens`, and the other name too where the client uses it.
- `serviceTier`: what is asked for where the client asks for none: else a setting of our account, which may be a dearer
  tier, would decide what a call costs.
- `stores`: it may store chats unless it is told not to, so each call tells it (of Responses every host is told).
- `passFields`: request fields beyond the dialect's own that may go there; `passesAll`: any field may.

Of a host, since it would answer the whole request with an error:

- `omits`: fields of ours that never leave; `drops`: fields that say nothing about the answer, and are left out and
  named (`messages[].name` of each message); `refuses`: fields that do, and are refused by their path; `renames`: what
  it calls a field.
- `toolIdLength`: ids of tools' calls have just so many letters and digits there.
- `keyHeader`: the header that takes its key, where that is no Bearer token.

And of an endpoint alone:

- `betasInBody`: betas, and the version, stand in the body, each beside its fields (`data/betas.json`).
- `metadataHeader`: the header that takes what shall stand in the provider's log, where the body has no place for it.
- `onlyAt`: the domains at which it is known to be there; at another base URL it is called where the config names it.
- `mode`: what the models do that it calls, as prices have it: `chat`, where nothing is said, or `embedding`.
- `count`: how it is asked what a prompt comes to: `path` (`{model}` is the model's own id, without a geography), and of
  the body for an answer the fields that are not for it (`omits`), or those that alone are (`keeps`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

_DATA = Path(__file__).parent.parent / "data" / "vendors.json"

Sampling = Literal["all", "one", "none"]  # which of temperature and `top_p` a model takes; with none no `top_k` either
Thinking = Literal["", "adaptive", "budget"]  # how a model is told to think apart from the effort; empty: it is not


class Quirks(NamedTuple):
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


class Counting(NamedTuple):
    """How an endpoint is asked how many tokens a prompt has. `keeps`: the fields of a body that may go there, empty for
    all but `omits`."""

    path: str
    omits: tuple[str, ...] = ()
    keeps: tuple[str, ...] = ()


class Endpoint(NamedTuple):
    """Where a provider takes calls in one wire format. `path` goes on where its base URL ends; `stream_path` is the one
    that answers as a stream. `signing_name` is empty where nothing is signed."""

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
        """Whether it is known to be there."""
        host = urlsplit(base_url).hostname or ""
        return not self.only_at or f".{host}".endswith(tuple(f".{each}" for each in self.only_at))


class ModelRule(NamedTuple):
    """Of models whose id fits `pattern`: the names of their endpoints, the best first; whether they answer by an
    inference profile alone; whether they take Anthropic's `tool_choice` among their own fields; which of temperature
    and `top_p`; how they are told to think; and the lengths of their vectors, empty where nobody knows."""

    pattern: str
    endpoints: tuple[str, ...]
    profile: bool = False
    one_tool: bool = False
    sampling: Sampling = "one"
    thinking: Thinking = ""
    dimensions: tuple[int, ...] = ()


class Vendor(NamedTuple):
    """`secret` is a name below the deployment's prefix for providers of the config; packaged ones have theirs from the
    deployment itself."""

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
        """Whether it is in regions, and so may be called in one or another: where it runs follows from the region and
        the model's id."""
        return "{region}" in self.base_url


@lru_cache(maxsize=1)
def packaged() -> Mapping[str, Vendor]:
    """The packaged providers by name; a deployment uses those that it names."""
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
    """What holds at an endpoint: what was said of the provider, over what is known of the endpoint and of the host."""
    known = quirks_at(base_url, vendor.quirks, vendor.name)
    return known._replace(
        stores=known.stores or endpoint.quirks.stores,
        betas_in_body=endpoint.quirks.betas_in_body,
        caps=known.caps or endpoint.quirks.caps,
        service_tier=known.service_tier or endpoint.quirks.service_tier,
        pass_fields=(*known.pass_fields, *endpoint.quirks.pass_fields),
        passes_all=known.passes_all or endpoint.quirks.passes_all,
    )


def quirks_at(base_url: str, said: Quirks, name: str = "") -> Quirks:
    """What holds at a base URL: what was said of the provider of this name, over what is known of the host."""
    host = urlsplit(base_url).hostname or ""
    hosts: Mapping[str, Mapping[str, Any]] = _data()["hosts"]
    there = (each for each in hosts.values() if f".{host}".endswith(tuple(f".{it}" for it in each.get("domains", ()))))
    elsewhere = name in packaged() and packaged()[name].base_url  # such a one may be sent to any host
    known = next(there, {} if elsewhere else hosts.get(name, {}))
    return said._replace(
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
    """Hosts that the config may turn on by their name, and their base URLs; "" where everybody has one's own."""
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
