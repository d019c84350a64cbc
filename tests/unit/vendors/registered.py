"""A registry of providers over the fake upstream, which is their Secrets Manager too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.aws.http import AwsHttp
from gateway.aws.secrets import SecretStore
from gateway.aws.sigv4 import Credentials
from gateway.destinations import Destinations
from gateway.models.vendors import Quirks, Vendor, configured
from gateway.settings import read_settings
from gateway.vendors.registry import Vendors
from tests.fakes.database import Clock
from tests.unit.vendors.asking import LOCAL
from tests.upstream import FakeUpstream, Steer
from tests.upstream.server import Seen

PREFIX = "ai-gateway-test"


@dataclass
class World:
    """A registry over the fake upstream, which is Secrets Manager too. `said` are the config's own providers."""

    fake: FakeUpstream
    said: dict[str, Vendor] = field(default_factory=dict)
    destinations: Destinations = LOCAL
    clock: Clock = field(default_factory=lambda: Clock(0))

    def vendors(self, **variables: str) -> Vendors:
        http = AwsHttp("secretsmanager", "eu-west-1", self.fake.url, lambda: Credentials("A", "S"))
        secrets = SecretStore(http, self.clock)
        settings = read_settings(
            {
                "AWS_REGION": "eu-west-1",
                "GATEWAY_ENVIRONMENT": "test",
                "GATEWAY_TABLE_PREFIX": PREFIX,
                "GATEWAY_PROVIDERS": "openai,bedrock",
                "OPENAI_BASE_URL": self.fake.openai_url,
                "OPENAI_SECRET_ID": f"{PREFIX}/openai",
                "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": self.fake.url,
            }
            | variables
        )
        return Vendors(settings, self.configured, lambda: secrets, lambda: Credentials("OWN", "S"), self.destinations)

    def configured(self) -> Mapping[str, Vendor]:
        return self.said

    def add(self, name: str = "groq", **said: str) -> None:
        entry = {"base_url": self.fake.openai_url, "credential": "key", "secret": "g"} | said
        self.said[name] = configured(name, quirks=Quirks(), **entry)

    def takes(self, key: str) -> None:
        """From now on, a request is accepted only with this key."""

        def decide(seen: Seen) -> Steer | None:
            return None if key in seen.headers["authorization"] else Steer(status=401, error_type="ExpiredToken")

        self.fake.decide = decide

    def sent(self) -> list[str]:
        return [seen.headers["authorization"].removeprefix("Bearer ") for seen in self.fake.seen]
