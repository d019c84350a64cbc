"""Where a target keeps what it is sent: whether it keeps a rule that binds calls to a geography.

Of a provider with a host a region, the region that it is called in and the model's id tell: an inference profile runs
in its geography, a model's own id in the region. What is called in a region enters there, so both must keep the rule.
Of any other provider its entry says (`geography`), or nobody knows.
"""

from __future__ import annotations

from gateway.errors import Forbidden
from gateway.models.geographies import NOWHERE, geography_of, lies_in, within
from gateway.models.vendors import Vendor


def keeps(vendor: Vendor, model: str, region: str, residency: str) -> bool:
    """Whether a call of a model that is made in a region keeps a rule (`eu`, ...), empty for none."""
    if not residency:
        return True
    if not vendor.regional:
        return within(vendor.geography, residency)
    here = lies_in(region)
    return within(here, residency) and within(geography_of(model) or here, residency)


def refused(name: str, residency: str) -> Forbidden:
    """Why nothing is sent. It tells no host: only that none is known to keep the rule."""
    reason = (
        "the rules of its key, its team and the config contradict each other"
        if residency == NOWHERE
        else f"nothing is known to answer it that stays within '{residency}'"
    )
    message = f"The model '{name}' may not be called: {reason}."
    return Forbidden(message, code="residency", param="model", details={"residency": residency})
