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

from gateway.aws.sigv4 import Credentials, Signer, sign

NORMALISED = (".", "..")  # botocore takes these segments out before it signs; no path of ours has one
text = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)
header_names = st.from_regex(r"x-[a-z]{1,10}(-[a-z]{1,10})?", fullmatch=True).filter(lambda name: "amz" not in name)


@given(
    path=st.text(max_size=30).filter(lambda raw: raw not in NORMALISED).map(lambda raw: "/" + quote(raw, safe="")),
    headers=st.dictionaries(header_names, text, max_size=4),
    body=st.binary(max_size=200),
    secret=text,
    token=st.none() | text,
    now=st.integers(min_value=0, max_value=4_000_000_000),
)
def test_signs_as_botocore_does(
    path: str, headers: dict[str, str], body: bytes, secret: str, token: str | None, now: int
) -> None:
    ours = sign(
        host="dynamodb.eu-west-1.amazonaws.com",
        path=path,
        headers=headers,
        body=body,
        credentials=Credentials("AKIDEXAMPLE", secret, token),
        region="eu-west-1",
        service="dynamodb",
        now=now,
    )
    request = AWSRequest("POST", f"https://dynamodb.eu-west-1.amazonaws.com{path}", headers, body)
    moment = datetime.fromtimestamp(now, UTC)
    with mock.patch.object(auth, "get_current_datetime", return_value=moment, create=True):
        auth.SigV4Auth(BotoCredentials("AKIDEXAMPLE", secret, token), "dynamodb", "eu-west-1").add_auth(request)
    assert ours["x-amz-date"] == request.headers["X-Amz-Date"]
    assert ours["authorization"] == request.headers["Authorization"]


@given(
    body=st.binary(max_size=200),
    secret=text,
    token=st.none() | text,
    now=st.integers(min_value=0, max_value=4_000_000_000),
)
def test_a_whole_request_has_the_headers_that_botocore_would_sign(
    body: bytes, secret: str, token: str | None, now: int
) -> None:
    credentials, headers = Credentials("AKIDEXAMPLE", secret, token), {"x-amz-target": "T.O", "x-percent": "100%s%"}
    signer = Signer("h:1", "/x%20y", tuple(headers.items()), credentials, "eu-west-1", "dynamodb")
    for sent, second in ((b"another", now), (body, now), (body, now + 1)):
        head, _, rest = signer.request(sent, second).partition(b"\r\n\r\n")
        first, *lines = head.decode("ascii").split("\r\n")
        signed = sign(
            host="h:1",
            path="/x%20y",
            headers=headers,
            body=sent,
            credentials=credentials,
            region="eu-west-1",
            service="dynamodb",
            now=second,
        )
        assert (first, rest) == ("POST /x%20y HTTP/1.1", sent)
        assert dict(line.split(": ", 1) for line in lines) == signed | {
            "Accept-Encoding": "identity",
            "Content-Length": str(len(sent)),
        }
        assert len(lines) == len(signed) + 2


def test_a_credential_that_would_make_another_request_of_it_is_not_sent() -> None:
    for credentials in (Credentials("AKID", "s", "t\r\nevil: 1"), Credentials("AKID\r\nevil: 1", "s")):
        with pytest.raises(ValueError, match="malformed"):
            Signer("h", "/", (), credentials, "eu-west-1", "dynamodb").request(b"", 0)


def test_what_is_kept_of_an_operation_is_its_own() -> None:
    """Another body, second, day, credential or header gives another signature, whatever was signed before."""
    asked: dict[str, Any] = {
        "host": "h",
        "path": "/",
        "headers": {"x-target": "a"},
        "body": b"1",
        "credentials": Credentials("AKID", "secret", "token"),
        "region": "eu-west-1",
        "service": "dynamodb",
        "now": 1_000_000_000,
    }
    others: list[dict[str, Any]] = [
        {"body": b"2"},
        {"now": 1_000_000_001},
        {"now": 1_000_086_400},
        {"headers": {"x-target": "b"}},
        {"credentials": Credentials("AKID", "other", "token")},
        {"credentials": Credentials("AKID", "secret", "renewed")},
        {"region": "eu-west-2"},
        {"service": "bedrock"},
        {"host": "other"},
        {"path": "/other"},
    ]
    first = sign(**asked)
    signed = [sign(**asked | other)["authorization"] for other in others]
    assert len({first["authorization"], *signed}) == len(others) + 1
    assert sign(**asked) == first


def test_secrets_stay_out_of_repr() -> None:
    assert "hidden" not in repr(Credentials("AKID", "hidden-secret", "hidden-token"))
