"""Checks a document against a pydantic model and explains an error in the caller's terms: the field, what is allowed
there, and what was sent, if it is safe to repeat. Pydantic's own messages are about Python, and are never shown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Annotated, Any, Final, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, FailFast, GetJsonSchemaHandler, ValidationError
from pydantic_core import core_schema

from gateway.config.spelling import near, unknown
from gateway.errors import BadRequest

M = TypeVar("M", bound=BaseModel)
_DATE = "must be a date such as 2027-12-31"
_TIME = "must be a time such as 2027-01-31T00:00:00Z"
_UNCLEAR = "has a form that is not allowed here"
# Keyed by the type of pydantic's error; a name in braces is a value from the error's context.
_REASONS: Final[Mapping[str, str]] = {
    "missing": "is required",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "dataclass_type": "must be an object",
    "dict_type": "must be an object",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "string_type": "must be text",
    "string_unicode": "must be text",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a smaller whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "decimal_type": "must be a number",
    "decimal_parsing": "must be a number",
    "decimal_max_places": "must have at most {decimal_places} decimal places",
    "decimal_max_digits": "must have at most {max_digits} digits",
    "decimal_whole_digits": "must have at most {whole_digits} digits before the point",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "string_too_short": "must have at least {min_length} character(s)",
    "string_too_long": "must have at most {max_length} character(s)",
    "too_short": "must have at least {min_length} item(s)",
    "too_long": "must have at most {max_length} item(s)",
    "date_type": _DATE,
    "date_parsing": _DATE,
    "date_from_datetime_parsing": _DATE,
    "date_from_datetime_inexact": _DATE,
    "datetime_type": _TIME,
    "datetime_parsing": _TIME,
    "datetime_from_date_parsing": _TIME,
    "datetime_object_invalid": _TIME,
}
# For these errors the answer says what was sent: a number itself, or else only the kind of value. For a choice it also
# repeats a short word. A key or a sentence that was put into the wrong field is longer, or has other characters.
_SAID = ("greater_", "less_", "int_", "float_", "bool_", "list_", "dict_", "tuple_", "model_", "string_t", "decimal_t")
_SAFE_WORD = re.compile(r"[A-Za-z0-9_./-]{1,24}", re.ASCII)
_SECRET = re.compile(r"^sk-|key|secret|token|password", re.IGNORECASE)
_words: dict[str, str] = {}


class _First(FailFast):
    """Reports only the first error of a list: a body can hold millions, and each error takes memory."""

    def __hash__(self) -> int:
        return hash(_First)  # Python 3.11 needs a hash of everything in a union


FIRST = _First()


class Later:
    """Stands in a field's annotation for a model that is loaded when a document first has the field. `place` is the
    model's module and name ("gateway.catalogue.context:McpContext")."""

    def __init__(self, place: str) -> None:
        self._place = place

    @property
    def model(self) -> type[BaseModel]:
        module, _, name = self._place.partition(":")
        found: type[BaseModel] = getattr(import_module(module), name)
        return found

    def __get_pydantic_core_schema__(self, _source: Any, _handler: Any) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            lambda value: self.model.model_validate(value),
            metadata={"pydantic_js_functions": [self._in_json]},
            ref=f"{self._place.replace(':', '.')}:{id(self)}",  # by which a JSON schema names it
        )

    def _in_json(self, _schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return handler(self.model.__pydantic_core_schema__)


def pattern(expression: str, words: str) -> str:
    """A regular expression for a field of a model, with the words that say what it allows."""
    if _words.setdefault(expression, words) != words:
        raise ValueError(f"{expression} has other words already: {_words[expression]}")
    return expression


def words_of(expression: str) -> str | None:
    """The words of a regular expression; None if it has none."""
    return _words.get(expression)


def validated(model: type[M], document: Mapping[str, Any]) -> M:
    """A document as a model. Raises BadRequest that names the first wrong field."""
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise _refusal(error, model) from None


def _refusal(error: ValidationError, model: type[BaseModel]) -> BadRequest:
    first = error.errors(include_url=False)[0]
    loc = [part for part in first["loc"] if part != "[key]"]  # pydantic's sign that the name itself is wrong
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).lstrip(".")
    param = path[:256] or None  # it may contain the caller's own names, of any length
    if first["type"] == "extra_forbidden":
        why = unknown(str(loc[-1]), _fields_at(model, loc[:-1]))
    else:
        why = _reason(first["type"], first["msg"], first.get("ctx", {})) + _sent(first["type"], first["input"])
        if first["type"] == "missing":
            why += _misspelt(str(loc[-1]), first["input"], _fields_at(model, loc[:-1]))
    return BadRequest(f"{param}: {why}" if param else f"The body {why}", param=param)


def _reason(kind: str, message: str, facts: Mapping[str, Any]) -> str:
    if kind == "value_error":  # our own words, after pydantic's prefix
        return message.removeprefix("Value error, ")
    if kind == "string_pattern_mismatch":
        return _words.get(str(facts.get("pattern")), _UNCLEAR)
    if kind == "literal_error":
        expected = str(facts.get("expected", "")).replace("'", "")
        return f"must be one of {expected}" if " or " in expected else f"must be {expected}"
    numbers = {
        name: int(fact) if isinstance(fact, float) and fact.is_integer() else fact for name, fact in facts.items()
    }
    words = _REASONS.get(kind, _UNCLEAR).format_map(numbers)
    count = facts.get("min_length", facts.get("max_length"))
    return words.replace("(s)", "" if count == 1 else "s")


def _sent(kind: str, value: Any) -> str:
    """What was sent, if it may be repeated."""
    if kind == "literal_error" and isinstance(value, str):
        safe = _SAFE_WORD.fullmatch(value) and not _SECRET.search(value)
        return f"; '{value}' was sent" if safe else ""
    if kind == "string_too_short":
        return f"; {len(value)} were sent" if value else "; it is empty"
    if kind in ("string_too_long", "too_long") and isinstance(value, (str, list, dict)):
        return f"; {len(value)} were sent"
    if not kind.startswith((*_SAID, "literal_")):
        return ""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        text = repr(value)
        return f"; {text} was sent" if len(text) <= 24 else ""
    if isinstance(value, bool):
        return f"; {str(value).lower()} was sent"
    told = {str: "text", list: "a list", dict: "an object", type(None): "null"}.get(type(value))
    return f"; {told} was sent" if told else ""


def _misspelt(missing: str, given: Any, known: list[str]) -> str:
    """Names the unknown field of an object that most likely stands for a missing one, if there is one."""
    names = [name for name in given if name not in known and len(name) > 2] if isinstance(given, Mapping) else []
    sent = next((name for name in names if near(name, [missing])), None)
    return f"; {sent} was sent" if sent and _SAFE_WORD.fullmatch(sent) else ""


def _fields_at(model: type[BaseModel], loc: list[int | str]) -> list[str]:
    """The JSON names of the fields of the object at a path of a document."""
    found: list[Any] = [model]
    for part in loc:
        found = [below for each in found for below in _below(each, part)]
    names = [field.alias or name for each in found if _is_model(each) for name, field in each.model_fields.items()]
    return list(dict.fromkeys(names))


def _below(annotation: Any, part: int | str) -> Iterator[Any]:
    if _is_model(annotation):
        for name, field in annotation.model_fields.items():
            if part in (name, field.alias):
                yield from _plain(field.annotation)
    elif get_origin(annotation) in (dict, list, tuple):
        inner = get_args(annotation)
        yield from _plain(inner[1 if get_origin(annotation) is dict else 0])


def _plain(annotation: Any) -> Iterator[Any]:
    """The members of a union, without their annotations."""
    from types import UnionType

    if get_origin(annotation) is Annotated:
        inner, *more = get_args(annotation)
        later = [each.model for each in more if isinstance(each, Later)]
        yield from later or _plain(inner)
    elif get_origin(annotation) in (Union, UnionType):
        for each in get_args(annotation):
            yield from _plain(each)
    else:
        yield annotation


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
