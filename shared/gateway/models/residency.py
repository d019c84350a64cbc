"""Where a target keeps the data that it is sent: whether it keeps a rule that binds calls to a geography.

For a provider with one host per region, the region of the call and the model's id decide. An inference profile runs in
its geography, a model's own id in the region. The call also enters that region, so both must keep the rule. An ARN
gives its region and the resource that it names. The place is unknown for an application inference profile, a prompt
router, and an id that begins with an unknown geography.

For any other provider, its entry says it (`geography`); without that, the place is unknown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from gateway.errors import Forbidden
from gateway.models.geographies import NOWHERE, geography_of, lies_in, within
from gateway.models.vendors import Vendor

# Resources that run only in the region of their ARN.
_IN_ITS_REGION: Final = frozenset(
    ("custom-model-deployment", "foundation-model", "imported-model", "provisioned-model")
)
_A_GEOGRAPHY: Final = re.compile(r"[a-z]{2}(-[a-z]+)?\.")  # vendors' names in models' ids are longer


def keeps(vendor: Vendor, model: str, region: str, residency: str) -> bool:
    """Whether calling a model in a region keeps a rule (`eu`, ...; empty for none)."""
    if not residency:
        return True
    if not vendor.regional:
        return within(vendor.geography, residency)
    return all(within(place, residency) for place in (lies_in(region), *_places(model.casefold(), region)))


def _places(model: str, region: str) -> Iterator[str]:
    """The places where a regional provider's model runs; empty text for an unknown place."""
    if not model.startswith("arn:"):
        known = geography_of(model)
        yield known or ("" if _A_GEOGRAPHY.match(model) else lies_in(region))
        return
    fields = model.split(":", 5)
    kind, _, name = fields[-1].partition("/")
    there = lies_in(fields[3]) if len(fields) == 6 else ""
    yield there
    if kind == "inference-profile":
        yield geography_of(name) or ""
    elif kind not in _IN_ITS_REGION:
        yield ""


def refused(name: str, residency: str) -> Forbidden:
    """The error for a call that is not sent. It names no host, and says only that none is known to keep the rule."""
    reason = (
        "the rules of its key, its team and the config contradict each other"
        if residency == NOWHERE
        else f"no provider is known to answer it within '{residency}'"
    )
    message = f"The model '{name}' may not be called: {reason}."
    return Forbidden(message, code="residency", param="model", details={"residency": residency})
