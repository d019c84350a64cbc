"""Whether Bedrock would accept a body sent to Converse: checked with botocore's own model of the operation, then with
the rules that the model does not have. In every test it checks every body that the fake gets."""

from __future__ import annotations

import base64
import functools
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.upstream.converse_rules import broken_rules


@functools.cache
def _service() -> Any:
    # Imported here, because a fake that is only used for OpenAI starts faster without it.
    import botocore.session

    return botocore.session.get_session().get_service_model("bedrock-runtime")


_MODEL = {"modelId": "a.model-v1:0"}  # these are in the path, not in the body


def faults(body: Mapping[str, Any]) -> list[str]:
    """The faults of a body, as texts that begin with a path; empty if Bedrock would accept it."""
    return _shape_faults({**body, **_MODEL}, _service().operation_model("Converse").input_shape) or list(
        broken_rules(body)
    )


def count_faults(body: Mapping[str, Any]) -> list[str]:
    """The faults of a body for CountTokens. For the InvokeModel body in it, only its base64 is checked."""
    found = _shape_faults({**body, **_MODEL}, _service().operation_model("CountTokens").input_shape)
    asked = body.get("input", {}).get("converse")
    return found or (list(broken_rules(asked)) if asked else [])


def event_faults(kind: str, event: Mapping[str, Any]) -> list[str]:
    """The faults of an event of ConverseStream."""
    events = _service().operation_model("ConverseStream").output_shape.members["stream"].members
    return _shape_faults(event, events[kind]) if kind in events else [f"{kind}: no such event"]


def _shape_faults(value: Any, shape: Any) -> list[str]:
    from botocore.validate import ParamValidator

    found: list[str] = []
    parameters = _decoded(value, shape, "", found)
    if not found:
        report = ParamValidator().validate(parameters, shape)
        found += [report.generate_report()] if report.has_errors() else []
    return [*found, *_constraints(value, shape, "")]


def _decoded(value: Any, shape: Any, where: str, found: list[str]) -> Any:
    """JSON as botocore's parameters: base64 becomes bytes. A member that the shape does not have is a fault."""
    if shape.type_name == "structure" and isinstance(value, dict) and not _is_document(shape):
        unknown = [name for name in value if name not in shape.members]
        found += [f"{where}.{name}".lstrip(".") + ": unknown member" for name in unknown]
        known = {name: each for name, each in value.items() if name in shape.members}
        return {name: _decoded(each, shape.members[name], f"{where}.{name}", found) for name, each in known.items()}
    if shape.type_name == "list" and isinstance(value, list):
        return [_decoded(each, shape.member, f"{where}.{at}", found) for at, each in enumerate(value)]
    if shape.type_name == "blob" and isinstance(value, str):
        try:
            return base64.b64decode(value, validate=True)
        except ValueError:
            found.append(f"{where.lstrip('.')}: no base64")
    return value


def _is_document(shape: Any) -> bool:
    return bool(getattr(shape, "is_document_type", False))


def _constraints(value: Any, shape: Any, where: str) -> Iterator[str]:
    """Rules that botocore knows but does not check: enums, patterns, lengths, the single member of a union."""
    if _is_document(shape):
        yield from _numbers(value, where)
    elif shape.type_name == "structure" and isinstance(value, dict):
        if getattr(shape, "is_tagged_union", False) and len(value) != 1:
            yield f"{where.lstrip('.')}: one member of {sorted(shape.members)} is wanted, not {sorted(value)}"
        for name, each in value.items():
            if name in shape.members:
                yield from _constraints(each, shape.members[name], f"{where}.{name}")
    elif shape.type_name == "list" and isinstance(value, list):
        yield from _bounds(len(value), shape.metadata, where)
        for at, each in enumerate(value):
            yield from _constraints(each, shape.member, f"{where}.{at}")
    elif shape.type_name == "map" and isinstance(value, dict):
        yield from _bounds(len(value), shape.metadata, where)
        for name, each in value.items():
            yield from _constraints(name, shape.key, f"{where}.{name}")
            yield from _constraints(each, shape.value, f"{where}.{name}")
    elif isinstance(value, str):
        yield from _text(value, shape, where)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield from _bounds(value, shape.metadata, where)


def _text(value: str, shape: Any, where: str) -> Iterator[str]:
    if shape.type_name == "blob":
        yield from _bounds(len(base64.b64decode(value)), shape.metadata, where)
        return
    yield from _bounds(len(value), shape.metadata, where)
    pattern, enum = shape.metadata.get("pattern"), getattr(shape, "enum", None)
    if pattern and not re.fullmatch(pattern, value):
        yield f"{where.lstrip('.')}: must match {pattern}"
    if enum and value not in enum:
        yield f"{where.lstrip('.')}: must be one of {enum}"


def _bounds(size: float, metadata: Mapping[str, Any], where: str) -> Iterator[str]:
    if size < metadata.get("min", -math.inf) or size > metadata.get("max", math.inf):
        yield f"{where.lstrip('.')}: {size} is not between {metadata.get('min')} and {metadata.get('max')}"


def _numbers(value: Any, where: str) -> Iterator[str]:
    if isinstance(value, float) and not math.isfinite(value):
        yield f"{where.lstrip('.')}: no number"
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, each in parts:
        yield from _numbers(each, f"{where}.{name}")
