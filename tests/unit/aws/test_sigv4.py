"""Our signer against botocore's, byte for byte."""

from datetime import UTC, datetime
from typing import Any
from unittest import mock
from urllib.parse import quote

import pytest
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials
from hypothesis import given
from hypothesis import strategies as st

from gateway.aws.sigv4 import Credentials, Signed, Signer, Signers

NORMALISED = (".", "..")  # botocore takes these segments out before it signs; no path of ours has one
text = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)
header_names = st.from_regex(r"x-[a-z]{1,10}(-[a-z]{1,10})?", fullmatch=True).filter(lambda name: "amz" not in name)


def signed_by_botocore(
    path: str, headers: dict[str, str], body: bytes, credentials: Credentials, now: int, host: str
) -> dict[str, str]:
    """The headers that botocore would send, with lower-case names."""
    request = AWSRequest("POST", f"https://{host}{path}", headers, body)
    moment = datetime.fromtimestamp(now, UTC)
    theirs = BotoCredentials(credentials.access_key, credentials.secret_key, credentials.token)
    with mock.patch.object(auth, "get_current_datetime", return_value=moment, create=True):
        auth.SigV4Auth(theirs, "dynamodb", "eu-west-1").add_auth(request)
    return {name.lower(): value for name, value in request.headers.items()}


def read(request: bytes) -> tuple[str, dict[str, str], bytes]:
    """Request line, headers, body; the headers are all different."""
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.decode("ascii").split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    assert len(headers) == len(lines)
    return first, headers, body


def authorization(request: bytes) -> str:
    return read(request)[1]["authorization"]


@given(
    path=st.text(max_size=30).filter(lambda raw: raw not in NORMALISED).map(lambda raw: "/" + quote(raw, safe="")),
    headers=st.dictionaries(header_names, text, max_size=4),
    varying=st.none() | header_names.map(lambda name: f"{name}-9") | st.just("a-first"),
    values=st.lists(text | st.just("a  b c"), min_size=3, max_size=3),
    bodies=st.tuples(st.binary(max_size=200), st.binary(max_size=200)),
    secret=text,
    token=st.none() | text,
    now=st.integers(min_value=0, max_value=4_000_000_000),
)
def test_signs_as_botocore_does(
    path: str,
    headers: dict[str, str],
    varying: str | None,
    values: list[str],
    bodies: tuple[bytes, bytes],
    secret: str,
    token: str | None,
    now: int,
) -> None:
    """One signer's requests, one after another: what it keeps from one is right for the next."""
    host, credentials = "dynamodb.eu-west-1.amazonaws.com", Credentials("AKIDEXAMPLE", secret, token)
    signer = Signer(host, path, tuple(headers.items()), credentials, "eu-west-1", "dynamodb", varying or "")
    for value, body, second in zip(values, (*bodies, bodies[0]), (now, now, now + 1), strict=True):
        value = value if varying else ""
        every = headers | ({varying: value} if varying else {})
        theirs = signed_by_botocore(path, every, body, credentials, second, host)
        first, ours, sent = read(signer.request(body, second, value))
        assert (first, sent) == (f"POST {path} HTTP/1.1", body)
        assert ours.pop("host") == host
        assert (ours.pop("Accept-Encoding"), ours.pop("Content-Length")) == ("identity", str(len(body)))
        assert ours == theirs


def test_a_percent_sign_is_sent_as_it_is() -> None:
    told = (("x-amz-target", "T.O"), ("x-percent", "100%s%"))
    signer = Signer("h:1", "/x%20y", told, Credentials("AKID", "secret"), "eu-west-1", "dynamodb", "x-told")
    first, headers, _ = read(signer.request(b"body", 0, "50%d"))
    assert (first, headers["x-percent"], headers["x-told"]) == ("POST /x%20y HTTP/1.1", "100%s%", "50%d")


def test_a_credential_that_would_make_another_request_of_it_is_not_sent() -> None:
    for credentials in (Credentials("AKID", "s", "t\r\nevil: 1"), Credentials("AKID\r\nevil: 1", "s")):
        with pytest.raises(ValueError, match="malformed"):
            Signer("h", "/", (), credentials, "eu-west-1", "dynamodb").request(b"", 0)


@pytest.mark.parametrize("value", ["a\r\nevil: 1", "\0", "\u00e9", "\ud800", "\x7f"])
def test_a_value_that_would_make_another_request_of_it_is_not_sent(value: str) -> None:
    signer = Signer("h", "/", (), Credentials("AKID", "s"), "eu-west-1", "dynamodb", "x-told")
    with pytest.raises(ValueError, match="malformed"):
        signer.request(b"", 0, value)


def test_what_is_kept_of_an_operation_is_its_own() -> None:
    """Another body, value, second, day, credential or header gives another signature, whatever was signed before."""
    hosts = {host: Signers(host, "eu-west-1") for host in ("h", "other")} | {"far": Signers("h", "eu-west-2")}
    credentials = Credentials("AKID", "secret", "token")
    usual: dict[str, Any] = {
        "at": "h",
        "signed": ("/", (("x-target", "a"),), "dynamodb", "x-told"),
        "credentials": credentials,
        "asked": (b"1", 1_000_000_000, "v"),
    }
    others: list[dict[str, Any]] = [
        {"asked": (b"2", 1_000_000_000, "v")},
        {"asked": (b"1", 1_000_000_000, "w")},
        {"asked": (b"1", 1_000_000_001, "v")},
        {"asked": (b"1", 1_000_086_400, "v")},
        {"signed": ("/", (("x-target", "b"),), "dynamodb", "x-told")},
        {"signed": ("/", (("x-target", "a"),), "dynamodb", "x-other")},
        {"signed": ("/", (("x-target", "a"),), "bedrock", "x-told")},
        {"signed": ("/other", (("x-target", "a"),), "dynamodb", "x-told")},
        {"credentials": Credentials("AKID", "other", "token")},
        {"credentials": Credentials("AKID", "secret", "renewed")},
        {"at": "far"},
        {"at": "other"},
    ]

    def of(at: str, signed: Any, credentials: Credentials, asked: Any) -> str:
        return authorization(hosts[at].make(signed, credentials).request(*asked))

    first = of(**usual)
    assert len({first, *(of(**usual | other) for other in others)}) == len(others) + 1
    assert of(**usual) == first


def test_a_signer_is_made_again_for_other_credentials_only() -> None:
    signers = Signers("h", "eu-west-1")
    signed: Signed = ("/", (), "dynamodb", "")
    made = signers.make(signed, Credentials("AKID", "secret"))
    again = Credentials("AKID", "secret")  # looked up again, and still the same
    assert signers.make(signed, again) is made is signers.made[signed]
    assert made.credentials is again
    assert signers.make(signed, Credentials("AKID", "new")) is not made
    for number in range(1_000):
        signers.make((f"/{number}", (), "dynamodb", ""), again)
    assert len(signers.made) <= 128


def test_secrets_stay_out_of_repr() -> None:
    credentials = Credentials("AKID", "hidden-secret", "hidden-token")
    signer = Signer("h", "/", (), credentials, "eu-west-1", "dynamodb", "x-told")
    assert b"hidden-token" in signer.request(b"", 0)
    assert "hidden" not in repr((credentials, signer, signer._last))
