"""Every provider that can be called: the deployment's and the config's own. An adapter is made when it is first asked
for, and again when its entry in the config changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from msgspec.structs import replace

from gateway import observability
from gateway.aws.sigv4 import Credentials
from gateway.destinations import Destinations
from gateway.errors import NotFound, UpstreamUnavailable
from gateway.models.vendors import Vendor, packaged
from gateway.settings import ProviderSettings, Settings, domain
from gateway.vendors import Connection, connect
from gateway.vendors.base import Provider
from gateway.vendors.credentials import ProviderCredentials, Secrets, read_credentials, read_keys
from gateway.vendors.rotation import Rotation

_NOTHING_SET = ProviderSettings()


class Vendors:
    """`configured` returns the config's own providers as they are now, `own` the function's own AWS credentials."""

    def __init__(
        self,
        settings: Settings,
        configured: Callable[[], Mapping[str, Vendor]],
        secrets: Callable[[], Secrets],
        own: Callable[[], Credentials],
        destinations: Destinations,
    ) -> None:
        self._settings, self._configured, self._own, self._destinations = settings, configured, own, destinations
        self._held = ProviderCredentials(secrets)
        self._made: dict[tuple[str, str], tuple[Vendor, Provider]] = {}

    def names(self) -> tuple[str, ...]:
        """The providers in order of preference: the deployment's, then the config's."""
        return tuple(dict.fromkeys((*self._settings.providers, *self._configured())))

    def provider(self, name: str, region: str = "") -> Provider:
        """The adapter of a provider, in this region or by default in the deployment's. Raises NotFound if it does not
        exist (any more), UpstreamUnavailable if its base URL leads to a forbidden destination. Credentials are read at
        every call, so that a rotated secret takes effect."""
        vendor = packaged().get(name) if name in self._settings.providers else self._configured().get(name)
        if vendor is None:
            raise NotFound(f"The gateway has no provider {name} (any more).", code="model_not_found", param="model")
        said = self._settings.by_provider.get(name, _NOTHING_SET)
        region = (region if vendor.regional else "") or said.region or self._settings.region
        made = self._made.get((name, region))
        if made is None or (made[0] is not vendor and made[0] != vendor):
            made = self._made[name, region] = vendor, self._connected(vendor, said, region)
        return made[1]

    def _connected(self, vendor: Vendor, said: ProviderSettings, region: str) -> Provider:
        try:
            return connect(vendor, self._connection(vendor, said, region))
        except ValueError as error:
            observability.log.error("a provider can't be called", extra={"provider": vendor.name, "reason": str(error)})
            message = f"The provider {vendor.name} can't be called now: its address is not allowed."
            raise UpstreamUnavailable(message, provider=vendor.name, sent=False, reason="base_url") from None

    def _connection(self, vendor: Vendor, said: ProviderSettings, region: str) -> Connection:
        secret = said.secret_id or (self._settings.provider_secret(vendor.secret) if vendor.secret else "")
        plain = Connection(
            self._endpoint(vendor, said, region),
            region=region,
            pass_fields=said.pass_fields,
            destinations=self._destinations,
        )
        if vendor.credential == "aws" and not secret:
            return replace(plain, credentials=partial(self._held.own, vendor.name, self._own))
        reread = partial(self._held.reread, secret)
        if vendor.credential == "aws":
            held = Rotation(vendor.name, partial(self._held.held, vendor.name, secret, read_credentials), reread)
            return replace(plain, credentials=held.first, another=held.another)
        if vendor.credential == "key":
            keys = Rotation(vendor.name, partial(self._held.held, vendor.name, secret, read_keys), reread)
            return replace(plain, api_key=keys.first, another=keys.another)
        return plain

    def _endpoint(self, vendor: Vendor, said: ProviderSettings, region: str) -> str:
        override = self._settings.override(vendor.service) if vendor.service else ""
        usual = vendor.base_url.replace("{region}", region).replace("{domain}", domain(region))
        return said.base_url or override or usual
