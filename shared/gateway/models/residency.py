"""Where a target keeps what it is sent: whether it keeps a rule that binds calls to a geography.

Of a provider with a host a region, the region that it is called in and the model's id tell: an inference profile runs
in its geography, a model's own id in the region. What is called in a region enters there, so both must keep the rule.
An ARN says the region itself, and what it names; of an application's inference profile, a router, or an id that begins
with a geography of no name here, nobody knows.
Of any other provider its entry says (`geography`), or nobody knows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from gateway.errors import Forbidden
from gateway.models.geographies import NOWHERE, geography_of, lies_in, within
from gateway.models.vendors import Vendor

# What runs in the region of its ARN alone.
_IN_ITS_REGION: Final = frozenset(
    ("custom-model-deployment", "foundation-model", "imported-model", "provisioned-model")
)
_A_GEOGRAPHY: Final = re.compile(r"[a-z]{2}(-[a-z]+)?\.")  # vendors' names in models' ids are longer


def keeps(vendor: Vendor, model: str, region: str, residency: str) -> bool:
    """Whether a call of a model that is made in a region keeps a rule (`eu`, ...), empty for none."""
    if not residency:
        return True
    if not vendor.regional:
        return within(vendor.geography, residency)
    return all(within(place, residency) for place in (lies_in(region), *_places(model.casefold(), region)))


def _places(model: str, region: str) -> Iterator[str]:
    """Where a model of a regional provider runs, empty where nobody knows."""
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
    """Why nothing is sent. It tells no host: only that none is known to keep the rule."""
    reason = (
        "the rules of its key, its team and the config contradict each other"
        if residency == NOWHERE
        else f"nothing is known to answer it that stays within '{residency}'"
    )
    message = f"The model '{name}' may not be called: {reason}."
    return Forbidden(message, code="residency", param="model", details={"residency": residency})
