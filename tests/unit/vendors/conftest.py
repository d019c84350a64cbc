from __future__ import annotations

import pytest
from msgspec.structs import replace

from gateway.aws.sigv4 import Credentials
from gateway.models.vendors import ModelRule, packaged
from gateway.vendors import connect
from gateway.vendors.base import Provider
from tests.unit.vendors.asking import ACCESS_KEY, OPENAI_KEY, SECRET_KEY, SESSION_TOKEN, at
from tests.upstream import FakeUpstream, messages_judge
from tests.upstream.fixtures import fake

__all__ = ["fake"]


@pytest.fixture(scope="session", autouse=True)
def judge() -> None:
    messages_judge.warm()


@pytest.fixture
def openai(fake: FakeUpstream) -> Provider:
    return connect("openai", at(fake.openai_url, api_key=lambda: OPENAI_KEY))


@pytest.fixture
def anthropic(fake: FakeUpstream) -> Provider:
    return connect("anthropic", at(fake.url, api_key=lambda: OPENAI_KEY))


@pytest.fixture
def bedrock(fake: FakeUpstream) -> Provider:
    return bedrock_at(fake, "converse")


@pytest.fixture
def bedrock_invoke(fake: FakeUpstream) -> Provider:
    return bedrock_at(fake, "invoke")


@pytest.fixture
def bedrock_openai(fake: FakeUpstream) -> Provider:
    return bedrock_at(fake, "openai")


def bedrock_at(fake: FakeUpstream, endpoint: str) -> Provider:
    """Bedrock, whose every model has only this endpoint."""
    credentials = Credentials(ACCESS_KEY, SECRET_KEY, SESSION_TOKEN)
    vendor = replace(packaged()["bedrock"], models=(ModelRule("*", (endpoint,), one_tool=False),))
    return connect(vendor, at(fake.url, region="eu-west-1", credentials=lambda: credentials))


ENDPOINTS = ("openai", "anthropic", "bedrock", "bedrock_invoke", "bedrock_openai")


@pytest.fixture(params=ENDPOINTS)
def provider(request: pytest.FixtureRequest) -> Provider:
    """Each endpoint of each vendor in turn, for rules that must hold for all."""
    found: Provider = request.getfixturevalue(request.param)
    return found
