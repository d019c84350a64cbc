"""The ids of items in `limits` and of records in `api-keys`: a key's is its own id, every other one begins with a word.

No key's id can look like one of the others, because it has no `#`.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Scope = Literal["key", "model", "user", "team"]
TEAM_PREFIX, USER_PREFIX, MODEL_PREFIX = "team#", "user#", "model#"


def team_item(team_id: str) -> str:
    """The id of a team's record, and of its item in `limits`."""
    return f"{TEAM_PREFIX}{team_id}"


def user_item(user_id: str) -> str:
    """The id of a user's record, and of its item in `limits`."""
    return f"{USER_PREFIX}{user_id}"


def model_item(key_id: str, name: str) -> str:
    """The id of the item in `limits` for a key's limit on one model. There is no record under this id."""
    return f"{MODEL_PREFIX}{key_id}#{name}"


class Named(Struct, frozen=True):
    """Whose an item is. `id` is that of the key, the user or the team. `model` is empty except for a limit on one
    model."""

    scope: Scope
    id: str
    model: str = ""

    @property
    def record(self) -> str:
        """The id of the record that an item follows. For a key's limit on one model, this is the key's record."""
        return {"team": team_item(self.id), "user": user_item(self.id)}.get(self.scope, self.id)


def named(account: str) -> Named:
    """Tells whose item an id belongs to."""
    kind, _, name = account.partition("#")
    if not name:
        return Named("key", account)
    if kind == "model":
        key_id, _, model = name.partition("#")
        return Named("model", key_id, model)
    return Named("team" if kind == "team" else "user", name)
