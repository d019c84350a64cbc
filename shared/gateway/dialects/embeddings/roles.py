"""Embeddings as clients speak them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from gateway.dialects.embeddings.policy import check_fields
from gateway.dialects.unsupported import refuse
from gateway.dialects.vectors.answers import Vector, written_usage
from gateway.dialects.vectors.inputs import Inputs, inputs_of
from gateway.dialects.vectors.pair import Embedding
from gateway.dialects.written import Asked
from gateway.models.usage import Usage


class _Client:
    """See `gateway.dialects.vectors.pair.Client`."""

    def read(self, asked: Asked) -> tuple[Inputs, list[str]]:
        body = {name: value for name, value in asked.body.items() if value is not None}
        check_fields(body, ())
        given = inputs_of(body["input"])
        if not isinstance(given[0], str):
            where = "input" if isinstance(body["input"][0], int) else "input[0]"
            raise refuse(where, "must be text with this model: it takes no tokens")
        texts = tuple(each for each in given if isinstance(each, str))
        return Inputs(texts, body.get("dimensions"), body.get("input_type")), ["user"] if body.get("user") else []

    def written(
        self, vectors: Sequence[Vector], usage: Usage | None, *, known: Callable[[], str], model: str
    ) -> dict[str, Any]:
        data = [{"object": "embedding", "index": at, "embedding": each} for at, each in enumerate(vectors)]
        said = {"usage": written_usage(usage)} if usage is not None else {}
        return {"object": "list", "data": data, "model": model, **said}


CLIENT: Final = _Client()
PAIR: Final = Embedding
