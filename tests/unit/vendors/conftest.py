from __future__ import annotations

import pytest

from gateway.aws.sigv4 import Credentials
from gateway.vendors import connect
from gateway.vendors.base import Provider
from tests.unit.vendors.asking import ACCESS_KEY, OPENAI_KEY, SECRET_KEY, SESSION_TOKEN, at
from tests.upstream import FakeUpstream
from tests.upstream.fixtures import fake

__all__ = ["fake"]


@pytest.fixture
def openai(fake: FakeUpstream) -> Provider:
    return connect("openai", at(fake.openai_url, api_key=lambda: OPENAI_KEY))


@pytest.fixture
def bedrock(fake: FakeUpstream) -> Provider:
    credentials = Credentials(ACCESS_KEY, SECRET_KEY, SESSION_TOKEN)
    return connect("bedrock", at(fake.url, region="eu-west-1", credentials=lambda: credentials))


@pytest.fixture(params=["openai", "bedrock"])
def provider(request: pytest.FixtureRequest) -> Provider:
    """Each vendor in turn, for what must hold for all."""
    found: Provider = request.getfixturevalue(request.param)
    return found
