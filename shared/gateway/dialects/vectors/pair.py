"""Embeddings: translates the clients' dialect to that of an endpoint.

An endpoint limits the texts in one request, perhaps to one. More texts leave in several requests, and each of these is
paid for separately.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from msgspec.structs import replace

from gateway.dialects.unsupported import refuse
from gateway.dialects.vectors.answers import Vector
from gateway.dialects.vectors.inputs import Inputs, most_tokens
from gateway.dialects.written import Asked, Part, Written
from gateway.models.usage import Usage

MOST_REQUESTS: Final = 96  # one after the other, within one call's time


class Client(Protocol):
    """The half of the dialect that clients speak."""

    def read(self, asked: Asked) -> tuple[Inputs, list[str]]:
        """The inputs in a body, and the paths of its fields without effect. Raises BadRequest, Unsupported."""

    def written(
        self, vectors: Sequence[Vector], usage: Usage | None, *, known: Callable[[], str], model: str
    ) -> dict[str, Any]:
        """The answer with these vectors."""


class Native(Protocol):
    """The half of a dialect that an endpoint speaks. `most` is how many texts one request takes. `purposes` are
    those that it knows; empty if it takes none. `fields` gives the client's names of fields by the endpoint's."""

    most: int
    purposes: tuple[str, ...]
    fields: Mapping[str, str]

    def write(self, inputs: Inputs) -> dict[str, Any]:
        """The body for these inputs."""

    def vectors(self, answer: Mapping[str, Any]) -> list[Vector] | None:
        """The vectors of an answer, in order; None if it does not have the promised shape."""

    def usage_of(self, answer: Mapping[str, Any]) -> Usage | None:
        """The counts in an answer; None if it has no counts."""


class Embedding:
    """See `gateway.dialects.pairs.Pair`."""

    def __init__(self, client: Client, native: Native) -> None:
        self._client, self._native = client, native

    def request(self, asked: Asked) -> Written:
        inputs, dropped = self._client.read(asked)
        inputs = self._fitting(inputs, asked, dropped)
        most, texts = self._native.most, inputs.texts
        if len(texts) > MOST_REQUESTS * most:
            raise refuse("input", f"at most {MOST_REQUESTS * most} texts at a time with this model")
        pieces = [texts[at : at + most] for at in range(0, len(texts), most)]
        bodies = [self._native.write(replace(inputs, texts=piece)) for piece in pieces]
        bounds = [sum(map(most_tokens, piece)) for piece in pieces]
        parts = list(map(Part, bodies, bounds)) if len(pieces) > 1 else []
        return Written(bodies[0], dropped, {}, parts=parts)

    def _fitting(self, inputs: Inputs, asked: Asked, dropped: list[str]) -> Inputs:
        lengths, purposes = asked.dimensions, self._native.purposes
        if inputs.dimensions is not None and lengths and inputs.dimensions not in lengths:
            raise refuse("dimensions", f"must be one of {', '.join(map(str, lengths))} with this model")
        if inputs.purpose is not None and not purposes:
            dropped.append("input_type")
        elif inputs.purpose is not None and inputs.purpose not in purposes:
            raise refuse("input_type", f"must be one of {', '.join(purposes)} with this model")
        # Many models that have only one length refuse the field.
        return replace(inputs, dimensions=inputs.dimensions if len(lengths) != 1 else None)

    def answer(
        self,
        answer: Mapping[str, Any],
        usage: Usage | None,
        *,
        names: Mapping[str, str],
        known: Callable[[], str],
        model: str,
    ) -> dict[str, Any] | None:
        vectors = self._native.vectors(answer)
        return self._client.written(vectors, usage, known=known, model=model) if vectors else None

    def usage_of(self, answer: Mapping[str, Any]) -> Usage | None:
        return self._native.usage_of(answer)

    def path(self, message: object, param: object, asked: Asked) -> str | None:
        said = message if isinstance(message, str) else ""
        return next((ours for theirs, ours in self._native.fields.items() if theirs in said), None)
