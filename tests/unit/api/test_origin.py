"""The guard against DNS rebinding."""

import pytest

from gateway.api.origin import check_origin
from gateway.errors import Forbidden

API = "a1b2c3.execute-api.eu-west-1.amazonaws.com"


@pytest.mark.parametrize(
    ("host", "origin", "allowed"),
    [
        (API, None, True),
        (API + ":443", None, True),
        ("localhost:8080", None, True),
        ("127.0.0.1:8080", None, True),
        ("[::1]:8080", None, True),
        ("aaaa1111.execute-api.localhost:4566", None, True),
        ("a1b2c3.execute-api.cn-north-1.amazonaws.com.cn", None, True),
        ("gateway.example.com", None, True),
        ("GATEWAY.example.com", None, True),
        ("evil.example", None, False),
        ("localhost.evil.example", None, False),
        (f"{API}.evil.example", None, False),
        ("evil.example#.execute-api.eu-west-1.amazonaws.com", None, False),
        ("evil.example@localhost", None, False),
        ("", None, False),
        ("[", None, False),
        (API, "https://app.example.com", True),
        (API, "HTTPS://app.example.com", True),
        (API, "http://app.example.com", False),
        (API, "https://app.example.com.evil.example", False),
        (API, "https://evil.example", False),
        (API, "null", False),
        (API, "", False),
        (API, f"https://{API}", True),
        ("localhost:8080", "http://localhost:6274", True),
        ("localhost:8080", "http://evil.example", False),
        ("evil.example", "http://evil.example", False),
    ],
)
def test_hosts_and_origins(host: str, origin: str | None, allowed: bool) -> None:
    headers = {"host": host} | ({} if origin is None else {"origin": origin})
    if allowed:
        check_origin(headers, ("https://app.example.com/",), ("gateway.example.com",))
    else:
        with pytest.raises(Forbidden):
            check_origin(headers, ("https://app.example.com/",), ("gateway.example.com",))


def test_a_star_allows_every_origin_but_no_other_host() -> None:
    check_origin({"host": API, "origin": "https://evil.example"}, ("*",), ())
    with pytest.raises(Forbidden):
        check_origin({"host": "evil.example"}, ("*",), ())
