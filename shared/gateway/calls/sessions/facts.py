"""What a coding agent says about the session of a call, in the form that the call's row may hold. Pure.

A session's id is kept as sent if it is a UUID, which is random and names nobody. Whatever else a client names is kept
as a mark, which is a shortened keyed hash: an agent may have a person's name, a user an e-mail address. None of it says
who calls: the key does. Malformed values are left out, and are never an error.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from gateway.calls.clients import threads

SESSION, AGENT, CLASS = "x-claude-code-session-id", "x-claude-code-agent-id", "x-claude-code-request-class"
# The words of the client that sends these headers. Any other becomes CLASS_OF_OTHERS: a caller's own word may say more.
CLASSES = frozenset({"main", "subagent", "workflow", "compaction", "auxiliary"})
CLASS_OF_OTHERS = "other"
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_NAME = re.compile(r"[!-~]{1,128}", re.ASCII)
_LONGEST_USER = 512  # characters; both APIs accept fewer
_OF_A_SESSION = re.compile(r"_session_[0-9A-Za-z-]*$", re.ASCII)
_HASH_BYTES = 12
_COMPACTS = re.compile(r'"request_kind"\s*:\s*"compaction"')
_LONGEST_TURN = 4_096  # the characters that are searched

# The mark of a text by its kind (first argument); empty if none can be made.
Marking = Callable[[str, str], str]


def session_facts(headers: Mapping[str, str], body: Mapping[str, Any], marking: Marking) -> dict[str, Any]:
    """What the row says: `session` with `id` and, if known, `agent`, `class` and `user`. Empty if no session is named.
    `headers` have lower-case names; their values and the body's may be anything."""
    if names().isdisjoint(headers):
        return {}
    found = _of_sessions(headers, marking) or _of_threads(headers, marking)
    if not found:
        return {}
    user = _user(body)
    found["user"] = marking("user", user) if user else ""
    return {"session": {name: value for name, value in found.items() if value}}


@lru_cache(maxsize=1)
def names() -> frozenset[str]:
    """The headers that may name a session."""
    return frozenset((SESSION, *threads().sessions))


def _of_sessions(headers: Mapping[str, str], marking: Marking) -> dict[str, str]:
    session = _named(headers, SESSION, "session", marking)
    if not session:
        return {}
    return {"id": session, "agent": _named(headers, AGENT, "agent", marking), "class": _class(headers)}


def _of_threads(headers: Mapping[str, str], marking: Marking) -> dict[str, str]:
    sent = threads()
    named = ""
    for name in sent.sessions:
        if name in headers and headers[name].strip():
            named = name
            break
    session = _named(headers, named, "session", marking) if named else ""
    if not session:
        return {}
    # The thread with the same id as the session is its main thread; any other is an agent's.
    own = headers.get(sent.thread, "").strip().lower() == headers[named].strip().lower()
    subagent = headers.get(sent.subagent, "").strip().lower()
    word = sent.classes.get(subagent, CLASS_OF_OTHERS) if subagent else "main" if own else ""
    if _COMPACTS.search(headers.get(sent.turn, "")[:_LONGEST_TURN]):
        word = "compaction"
    return {"id": session, "agent": "" if own else _named(headers, sent.thread, "agent", marking), "class": word}


def mark(secret: bytes, key_id: str, kind: str, text: str) -> str:
    """16 characters of a keyed hash. One person has different marks with two keys, so nobody is followed from key to
    key."""
    told = "\0".join((key_id, kind, text)).encode("utf-8", "replace")
    digest = hmac.new(secret, told, hashlib.sha256).digest()[:_HASH_BYTES]
    return base64.urlsafe_b64encode(digest).decode()


def person(text: str) -> str:
    """The user in a user id, without the session: a coding agent puts both into one text, in one of two forms."""
    if text.startswith("{"):
        try:
            parts = json.loads(text)
        except (ValueError, RecursionError):
            return text
        if isinstance(parts, dict):
            parts.pop("session_id", None)
            return json.dumps(parts, sort_keys=True)
    return _OF_A_SESSION.sub("", text)


def _named(headers: Mapping[str, str], header: str, kind: str, marking: Marking) -> str:
    text = headers.get(header, "").strip()
    if not text:
        return ""
    if _UUID.fullmatch(text.lower()):
        return text.lower()
    return marking(kind, text) if _NAME.fullmatch(text) else ""


def _class(headers: Mapping[str, str]) -> str:
    text = headers.get(CLASS, "").strip().lower()
    return text if text in CLASSES else CLASS_OF_OTHERS if text else ""


def _user(body: Mapping[str, Any]) -> str:
    metadata = body.get("metadata")
    named = (body.get("user"), metadata.get("user_id") if isinstance(metadata, Mapping) else None)
    text = next((each for each in named if isinstance(each, str) and each.strip()), "")
    return person(text) if len(text) <= _LONGEST_USER else ""
