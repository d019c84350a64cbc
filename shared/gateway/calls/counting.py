"""How many tokens a prompt has: by its provider's own count where it gives one, else estimated. Nothing is billed, held
or recorded (docs/decisions/0064)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from gateway import observability
from gateway.calls.completions import Completions, Way
from gateway.calls.plan import Plan, Target
from gateway.errors import GatewayError, UpstreamCredentials, UpstreamError
from gateway.identity.caller import Caller

MOST_SECONDS = 5.0  # of waiting for a provider's count: an estimate takes no time at all
_OF_THE_PROMPT = (400, 413)  # a provider's refusals that a call would meet too


class Count(NamedTuple):
    """`told` is the answer in Anthropic's form, `input_tokens` and what else the provider said; `target` is whose
    tokens they are."""

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
    """Raises as `Completions.plan` does for a request that could not be called, and as an admission where a key is over
    its limits of requests: a question that goes to a provider counts as one. What becomes of the question there raises
    nothing, but where the provider finds the prompt itself wrong, in its own words."""
    plan = completions.plan(caller, body, correlation_id=correlation_id, seconds_left=seconds_left, way=way)
    first = plan.first
    asking = first.provider.counter(first.within(min(first.prepared.call.timeout, MOST_SECONDS)))
    told = _asked(completions, caller, plan, asking) if asking else None
    if told is None:
        return Count({"input_tokens": first.est.tokens - first.est.output}, first, estimated=True)
    return Count(told, first)


def _asked(
    completions: Completions, caller: Caller, plan: Plan, asking: Callable[[], dict[str, Any]]
) -> dict[str, Any] | None:
    """What the provider tells; None where it can't, or nobody should ask it now."""
    config, target = completions.config.get(), plan.first
    try:
        completions.breakers.check([target.breaker])
    except UpstreamError as failure:
        _log(target, failure)
        return None
    with completions.ledger.passing(caller, config.tier, plan.models) as fresh:
        completions.check_plan(fresh, config, plan)  # the record may have been read anew
        try:
            return asking()
        except UpstreamError as failure:
            # In the provider's own words, of the dialect that the client speaks: any other may be of the question.
            if failure.told_kind and failure.upstream_status in _OF_THE_PROMPT:
                raise
            _log(target, failure)
        except GatewayError as failure:  # its credential can't be had
            _log(target, failure)
    return None


def _log(target: Target, failure: GatewayError) -> None:
    facts: dict[str, Any] = {"provider": target.route.provider, "model": target.route.model, "code": failure.code}
    if isinstance(failure, UpstreamError):
        facts |= {"upstream_status": failure.upstream_status, "reason": failure.reason}
    log = observability.log.warning if isinstance(failure, UpstreamCredentials) else observability.log.info
    log("tokens are estimated: the provider did not count them", extra=facts)
