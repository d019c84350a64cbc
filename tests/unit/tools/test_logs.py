"""The functions' logs as people read them in a terminal."""

import json

from tools.local.logs import Printer

CLEARS = "\x1b[2J\x9b2J\x07"


def test_no_client_writes_what_a_terminal_acts_on() -> None:
    facts = {"message": "request", "route": f"GET /v1/{CLEARS}", "status": 404, "duration_ms": 1.0}
    told = [
        Printer().shown("stream", json.dumps(facts)),
        Printer().shown("stream", json.dumps(facts | {"message": CLEARS, "level": "ERROR", CLEARS: [CLEARS]})),
        Printer().shown("stream", f"no JSON {CLEARS}"),
    ]
    assert all(each and each.isprintable() for each in told)
    assert "GET /v1/\\x1b[2J" in str(told[0])
