"""A credential that can't be read: nothing is sent, so nothing is charged."""

import pytest

from gateway.aws.sigv4 import Credentials
from gateway.errors import UpstreamUnavailable
from gateway.vendors.credentials import ProviderCredentials, read_credentials, read_keys


def test_own_credentials_that_can_not_be_had_make_the_provider_unavailable_and_nothing_sent() -> None:
    held = ProviderCredentials(lambda: pytest.fail("no secret is needed"))

    def missing() -> Credentials:
        raise RuntimeError("no AWS credentials")

    with pytest.raises(UpstreamUnavailable) as refused:
        held.own("bedrock", missing)
    assert (refused.value.sent, refused.value.reason) == (False, "credentials")
    known = Credentials("a", "b")
    assert held.own("bedrock", lambda: known) is known


@pytest.mark.parametrize("text", ['["k1", "k2"', '{"access_key_id": "A", "secret_access_key": "canary"', "[" * 100_000])
def test_a_secret_that_is_cut_off_is_no_key(text: str) -> None:
    """It would be sent as a credential, with everything that it contains."""
    for read in (read_keys, read_credentials):
        with pytest.raises(ValueError, match="begins like JSON but is not valid JSON"):
            read(text)
