"""Credentials from wherever botocore finds them. Loading it costs 200 ms; only done if the environment has none."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import botocore.session

from gateway.aws.sigv4 import Credentials


@lru_cache(maxsize=1)
def _source() -> Any:
    found = botocore.session.get_session().get_credentials()
    if found is None:
        raise RuntimeError("no AWS credentials: neither in the environment nor where botocore looks for them")
    return found


def chain_credentials() -> Credentials:
    """The current credentials, renewed by botocore as they age."""
    frozen = _source().get_frozen_credentials()
    return Credentials(frozen.access_key, frozen.secret_key, frozen.token)
