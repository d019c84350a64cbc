"""How items of `limits` and records of `api-keys` are named: a key's by its id, all others with a word before it.

No key's id can look like one of these: it has no `#`.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Scope = Literal["key", "model", "user", "team"]
TEAM_PREFIX, USER_PREFIX, MODEL_PREFIX = "team#", "user#", "model#"


def team_item(team_id: str) -> str:
    """The id of a team's record, and of its item in `limits`."""
    return f"{TEAM_PREFIX}{team_id}"


def user_item(user_id: str) -> str:
    """The id of a user's record, and of its item in `limits`."""
    return f"{USER_PREFIX}{user_id}"


def model_item(key_id: str, name: str) -> str:
    """The id of the item in `limits` of a key on one model; it has no record of its own."""
    return f"{MODEL_PREFIX}{key_id}#{name}"


class Named(NamedTuple):
    """Whose an item is. `id` is the key's, the user's or the team's; `model` is empty but in a limit on one."""

    scope: Scope
    id: str
    model: str = ""

    @property
    def record(self) -> str:
        """The id of the record that an item follows: a key's own for what limits it on one model."""
        return {"team": team_item(self.id), "user": user_item(self.id)}.get(self.scope, self.id)


def named(account: str) -> Named:
    """Whose the item of this id is."""
    kind, _, name = account.partition("#")
    if not name:
        return Named("key", account)
    if kind == "model":
        key_id, _, model = name.partition("#")
        return Named("model", key_id, model)
    return Named("team" if kind == "team" else "user", name)
