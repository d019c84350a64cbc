"""docs/errors.md says the same of every error's code as the code itself: none is missing, and none is invented."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from gateway import errors
from gateway.error_shapes import messages_error, messages_status
from gateway.errors import ClientGone, GatewayError, InternalError, UpstreamError
from gateway.keys.rights import CODE
from gateway.vendors.failures import PUBLIC_CODES
from tools.local.emulator import ROOT

CLASSES = {
    name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, GatewayError)
}
# Codes that no literal next to an error's class gives, and the class with which they are raised.
ELSEWHERE = {CODE: "Forbidden"} | dict.fromkeys(PUBLIC_CODES, "UpstreamRejected")
# Expressions that give an error's code, with the codes that they may give, or that pass on another error's code.
EXPRESSIONS = {"code", "CODE", "error.code", "reason if reason in PUBLIC_CODES else None"}
ANSWERED = {"websocket_not_supported"}  # in an answer of its route, with a header that sends the client elsewhere
ROW = re.compile(r"^\| `(\w+)` \| (\d+)(?: \((\d+)\))? \| `(\w+)` \| `(\w+)` \| (.+) \| (.+) \|$", re.MULTILINE)
DOCUMENT = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
ROWS = {found[1]: found for found in ROW.finditer(DOCUMENT)}


def sources() -> Iterator[ast.Call]:
    """Every call that makes an error, or passes a code on to one."""
    for folder in ("shared/gateway", "functions"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call):
                    yield node


@cache
def raised() -> dict[str, set[str]]:
    """The classes with which each code is raised."""
    found = {kind.default_code: {name} for name, kind in CLASSES.items() if kind not in (GatewayError,)}
    found |= {code: {name} for code, name in ELSEWHERE.items()}
    for call in sources():
        name = getattr(call.func, "id", "")
        if name not in CLASSES:
            continue
        for given in call.keywords:
            if given.arg != "code":
                continue
            if isinstance(given.value, ast.Constant):
                found.setdefault(str(given.value.value), set()).add(name)
            else:
                assert ast.unparse(given.value) in EXPRESSIONS, f"line {call.lineno}: {ast.unparse(given.value)}"
    return found


def made(kind: type[GatewayError], code: str) -> GatewayError:
    if issubclass(kind, (InternalError, ClientGone)):
        return kind()
    return kind("said", code=code, provider="p") if issubclass(kind, UpstreamError) else kind("said", code=code)


def test_the_table_has_every_code_and_no_other() -> None:
    assert set(ROWS) == set(raised()) | ANSWERED


@pytest.mark.parametrize("code", sorted(raised()))
def test_a_row_says_what_a_client_gets(code: str) -> None:
    row = ROWS[code]
    for name in raised()[code]:
        error = made(CLASSES[name], code)
        status = messages_status(error)
        assert row[2] == str(error.status), name
        assert row[3] == (None if status == error.status else str(status))
        assert row[4] == error.type
        assert row[5] == messages_error(error)["error"]["type"]
        assert row[6].endswith(".")
        assert row[7].endswith(".")


def test_every_code_is_met_by_a_test() -> None:
    """A test that expects a code has it in quotes. This test does not count, since it reads the codes from the code."""
    tests = [path for path in Path(ROOT / "tests").rglob("test_*.py") if path.name != Path(__file__).name]
    text = "\n".join(path.read_text(encoding="utf-8") for path in tests)
    assert [code for code in sorted(ROWS) if not re.search(rf"[\"']{code}[\"']", text)] == []
