"""Sessions' bills, for admins: the list for a key or for a user's keys, one bill in full, and erasure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby, islice
from typing import Any, Protocol

from msgspec import Struct, field

from gateway.billing.reports import asked_for, check_parameters, hit_rate
from gateway.billing.sessions.places import SessionPlace, place_of_item
from gateway.billing.store import counters_of
from gateway.context import carried
from gateway.dynamodb import cursors
from gateway.errors import BadRequest, NotFound
from gateway.identity.key_text import KEY_ID
from gateway.identity.store import KeyRecord
from gateway.models.money import usd

NONE = "-"  # for calls that name no agent, class or user
_MOST_ITEMS = 20_000  # read for one answer: about 15 MB
_MOST_KEYS = 100  # keys of a user that are read for one page
_MOST_ERASED = 1_000  # items that one request erases
_AT_ONCE = 8
_WHOSE = ("key", "user_id")


class Items(Protocol):
    def of_key(self, key: str, after: str = "") -> Iterator[dict[str, Any]]: ...
    def of_session(self, key: str, session: str) -> Iterator[dict[str, Any]]: ...
    def erase(self, item: Mapping[str, Any]) -> bool: ...


class Keys(Protocol):
    def of_user(
        self, user_id: str, limit: int = 100, cursor: str | None = None
    ) -> tuple[Sequence[KeyRecord], str | None]: ...


class Marks(Protocol):
    def of_user(self, key_id: str, user: str) -> list[str]: ...


class _Bill(Struct):
    """Counters over the items of a session, and the hours (2026-11-24T15) of the first and the last item. `whole`: all
    items of the session are included."""

    cells: Counter[str] = field(default_factory=Counter)
    first: str = ""
    last: str = ""
    whole: bool = True

    def add(self, place: SessionPlace, item: Mapping[str, Any]) -> None:
        self.cells.update(counters_of(item))
        self.first = min(self.first or place.hour, place.hour)
        self.last = max(self.last, place.hour)

    def shown(self) -> dict[str, Any]:
        return {"first_hour": self.first, "last_hour": self.last, **_figures(self.cells), "complete": self.whole}


class SessionBills(Struct, frozen=True):
    items: Items
    keys: Keys
    marks: Marks

    def listed(self, query: Mapping[str, str], limit: int) -> dict[str, Any]:
        """Sessions of the last 30 days, of one key or of all keys of a user, sorted by key and session. Raises
        BadRequest."""
        check_parameters(query, {*_WHOSE, "team", "limit", "cursor"})
        listing = "sessions:" + ":".join(query.get(name, "") for name in (*_WHOSE, "team"))
        start = {"key": "", "after": ""}
        if "cursor" in query:
            start = cursors.decode(query["cursor"], {"key": str, "after": str}, listing)
        page: list[dict[str, Any]] = []
        following: Mapping[str, str] | None = None
        for here, bill in self._bills(self._keys(query), start, query):
            if len(page) == limit:
                following = {"key": page[-1]["key"], "after": page[-1]["session"]}
                break
            if bill is None:  # enough was read for one page; there may be more
                following = here
                break
            page.append({"session": here["after"], "key": here["key"], **bill.shown()})
        after = cursors.encode(following, listing) if following else None
        return {"object": "list", "data": page, "next_cursor": after}

    def one(self, session: str, query: Mapping[str, str]) -> dict[str, Any]:
        """One session's bill: in total and by key, agent, class, user and model. Raises BadRequest, NotFound."""
        check_parameters(query, {*_WHOSE, "team"})
        whole = _Bill()
        by: dict[str, dict[str, Counter[str]]] = {name: {} for name in ("key", "agent", "class", "user")}
        read = 0
        for key in self._keys(query):
            for place, item in _placed(islice(self.items.of_session(key, session), _MOST_ITEMS + 1 - read), query):
                read += 1
                if read > _MOST_ITEMS:
                    whole.whole = False
                    break
                whole.add(place, item)
                named = {"key": key, "agent": place.agent, "class": place.request_class, "user": place.user}
                for dimension, value in named.items():
                    by[dimension].setdefault(value or NONE, Counter()).update(counters_of(item))
        if not whole.first:
            raise NotFound("There is no such session in the last 30 days.", param="id")
        parts = {
            f"by_{name}": {value: _figures(cells) for value, cells in sorted(found.items())}
            for name, found in by.items()
        }
        shown = {"object": "session", "session": session, **whole.shown(), **parts}
        return shown | {"by_model": _by_model(whole.cells)}

    def erase(self, query: Mapping[str, str]) -> dict[str, Any]:
        """Erase the bills of sessions: those of one key, or of all keys of a user. The query may limit this to one
        `session`, or to the sessions in which the client named this `user`. `complete` is false if more is left, or if
        something was counted in the meantime: then send the request again. Raises BadRequest."""
        check_parameters(query, {*_WHOSE, "session", "user"})
        found = list(islice(self._to_erase(query), _MOST_ERASED + 1))
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            erased = list(pool.map(carried(self.items.erase), found[:_MOST_ERASED]))
        return {"erased": sum(erased), "complete": all(erased) and len(found) <= _MOST_ERASED}

    def _to_erase(self, query: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        session = query.get("session")
        for key in self._keys(query):
            users = self.marks.of_user(key, query["user"]) if "user" in query else None
            for place, item in _placed(self.items.of_session(key, session) if session else self.items.of_key(key), {}):
                if users is None or place.user in users:
                    yield item

    def _keys(self, query: Mapping[str, str]) -> list[str]:
        given = [name for name in _WHOSE if name in query]
        if len(given) != 1:
            raise BadRequest("key: name one key by `key`, or a user's keys by `user_id`", param="key")
        if "key" in query:
            if not re.fullmatch(KEY_ID, query["key"], re.ASCII):
                raise BadRequest("key: must be the id of a key", param="key")
            return [query["key"]]
        keys: list[str] = []
        cursor = None
        while True:
            records, cursor = self.keys.of_user(query["user_id"], 100, cursor)
            keys += [record.id for record in records]
            if cursor is None:
                return sorted(keys)

    def _bills(
        self, keys: Sequence[str], start: Mapping[str, str], query: Mapping[str, str]
    ) -> Iterator[tuple[dict[str, str], _Bill | None]]:
        """Each session after `start`, with its position; then None if one page must not read further."""
        read = 0
        for number, key in enumerate(each for each in keys if each >= start["key"]):
            if number == _MOST_KEYS:
                yield {"key": key, "after": ""}, None
                return
            after = start["after"] if key == start["key"] else ""
            for session, items in groupby(
                self.items.of_key(key, after), lambda item: str(item["sk"]).partition("#")[0]
            ):
                bill = _Bill()
                for place, item in _placed(items, query):
                    bill.add(place, item)
                    read += 1
                    if read == _MOST_ITEMS:
                        bill.whole = False
                        break
                here = {"key": key, "after": session}
                if bill.first:
                    yield here, bill
                if read == _MOST_ITEMS:
                    yield here, None
                    return


def _placed(items: Iterable[dict[str, Any]], query: Mapping[str, str]) -> Iterator[tuple[SessionPlace, dict[str, Any]]]:
    for item in items:
        place = place_of_item(item)
        if asked_for({"team": place.team, "key": place.key}, {"team": query["team"]} if "team" in query else {}):
            yield place, item


def _figures(cells: Mapping[str, int]) -> dict[str, Any]:
    fresh, read, for_5m, for_1h = (cells.get(f"*|{name}", 0) for name in ("fresh", "read", "w5m", "w1h"))
    return {
        "requests": cells.get("*|n", 0),
        "errors": cells.get("*|err", 0),
        "fresh_input_tokens": fresh,
        "cache_read_tokens": read,
        "cache_write_5m_tokens": for_5m,
        "cache_write_1h_tokens": for_1h,
        "cache_hit_rate": hit_rate(read, fresh + read + for_5m + for_1h),
        "output_tokens": cells.get("*|out", 0),
        **_cost(cells.get("*|cost", 0)),
    }


def _by_model(cells: Mapping[str, int]) -> dict[str, Any]:
    models = sorted({name[2:].rpartition("|")[0] for name in cells if name.startswith("m|")})
    return {
        model: {"requests": cells.get(f"m|{model}|n", 0), **_cost(cells.get(f"m|{model}|cost", 0))} for model in models
    }


def _cost(micro: int) -> dict[str, Any]:
    return {"cost": usd(micro), "cost_micro_usd": micro, "currency": "USD"}
