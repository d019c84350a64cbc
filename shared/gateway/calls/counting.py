"""How many tokens a prompt has: its provider's own count if there is one, else an estimate. Nothing is billed, held or
recorded (docs/decisions/0064)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from gateway import observability
from gateway.calls.completions import Completions, Way
from gateway.calls.plan import Plan, Target
from gateway.errors import GatewayError, UpstreamCredentials, UpstreamError
from gateway.identity.caller import Caller

MOST_SECONDS = 5.0  # the longest wait for a provider's count: an estimate takes no time
_OF_THE_PROMPT = (400, 413)  # statuses with which a provider would refuse a call too


class Count(Struct, frozen=True):
    """`told` is the answer in Anthropic's form: `input_tokens`, and what else the provider said. `target` is the target
    whose tokens these are."""

    told: Mapping[str, Any]
    target: Target
    estimated: bool = False


def count(
    completions: Completions,
    caller: Caller,
    body: Mapping[str, Any],
    *,
    correlation_id: str,
    seconds_left: float,
    way: Way,
) -> Count:
    """Raises like `Completions.plan` for a request that could not be called, and like an admission if a key is over its
    request limits: each question to a provider counts as a request. The provider's failure to count raises nothing,
    unless it refuses the prompt itself in its own words."""
    plan = completions.plan(caller, body, correlation_id=correlation_id, seconds_left=seconds_left, way=way)
    first = plan.first
    asking = first.provider.counter(first.within(MOST_SECONDS))
    told = _asked(completions, caller, plan, asking) if asking else None
    if told is None:
        return Count({"input_tokens": first.est.tokens - first.est.output}, first, estimated=True)
    return Count(told, first)


def _asked(
    completions: Completions, caller: Caller, plan: Plan, asking: Callable[[], dict[str, Any]]
) -> dict[str, Any] | None:
    """The provider's count; None if it gives none, or should not be asked now."""
    config, target = completions.config.get(), plan.first
    try:
        completions.breakers.check([target.breaker])
    except UpstreamError as failure:
        _log(target, failure)
        return None
    with completions.ledger.passing(caller, config.tier, plan.models) as fresh:
        completions.check_plan(fresh, config, plan)  # the record may have been read again
        try:
            return asking()
        except UpstreamError as failure:
            # The provider's own error in the client's dialect; any other may concern the question and not the prompt.
            if failure.told_kind and failure.upstream_status in _OF_THE_PROMPT:
                raise
            _log(target, failure)
        except GatewayError as failure:  # its credential can't be obtained
            _log(target, failure)
    return None


def _log(target: Target, failure: GatewayError) -> None:
    facts: dict[str, Any] = {"provider": target.route.provider, "model": target.route.model, "code": failure.code}
    if isinstance(failure, UpstreamError):
        facts |= {"upstream_status": failure.upstream_status, "reason": failure.reason}
    log = observability.log.warning if isinstance(failure, UpstreamCredentials) else observability.log.info
    log("tokens are estimated: the provider did not count them", extra=facts)
