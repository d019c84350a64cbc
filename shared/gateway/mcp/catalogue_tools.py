"""MCP's methods on the catalogue: tools and resources. The server has only checked that params are an object."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import unquote

from gateway.catalogue.catalogue import Catalogue
from gateway.catalogue.products import PRODUCT_ID, Filters
from gateway.errors import BadRequest, GatewayError, NotFound
from gateway.mcp.tools import TOOLS, tool

Params = Mapping[str, Any]
Method = Callable[[Params], dict[str, Any]]
_SCHEME: Final = "catalogue://"
_JSON: Final = "application/json"
_PAGE = 50
_TEMPLATES = (
    ("products/{id}", "product", "A product", "Everything about one product."),
    (
        "categories/{+path}",
        "category",
        "A category",
        "The products of a category, by its name or path, the cheapest first.",
    ),
)


class CatalogueMethods:
    """Each method raises BadRequest for wrong params, NotFound for a resource, and the catalogue's errors."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self.by_name: Mapping[str, Method] = {
            "tools/list": self._list_tools,
            "tools/call": self._call_tool,
            "resources/list": self._list_resources,
            "resources/templates/list": self._list_templates,
            "resources/read": self._read,
        }

    def _list_tools(self, params: Params) -> dict[str, Any]:
        _only_page(params)
        return {"tools": [each.described for each in TOOLS.values()]}

    def _call_tool(self, params: Params) -> dict[str, Any]:
        called = tool(_text(params, "name"))
        arguments = params.get("arguments")
        arguments = {} if arguments is None else arguments
        if not isinstance(arguments, dict):
            raise BadRequest("arguments: must be an object", param="arguments")
        try:
            found = called.call(self._catalogue, arguments)
        except GatewayError as error:
            if error.status >= 500:
                raise
            # The calling model can correct this itself: the error goes into the result, and is not a protocol error.
            return {"content": [{"type": "text", "text": error.message}], "isError": True}
        return {"content": [{"type": "text", "text": _json(found)}], "structuredContent": found, "isError": False}

    def _list_resources(self, params: Params) -> dict[str, Any]:
        cursor = _cursor(params)
        page = self._catalogue.listing(Filters(), _PAGE, cursor)
        products = [_resource(f"products/{each.id}", each.id, each.name) for each in page.products]
        listed = products if cursor else self._categories() + products
        return {"resources": listed} | ({"nextCursor": page.next_cursor} if page.next_cursor else {})

    def _categories(self) -> list[dict[str, Any]]:
        paths = [_resource(f"categories/{path}", path, path) for path in self._catalogue.categories()]
        return [_resource("categories", "categories", "All categories"), *paths]

    def _list_templates(self, params: Params) -> dict[str, Any]:
        _only_page(params)
        listed = [
            {"uriTemplate": _SCHEME + path, "name": name, "title": title, "description": text, "mimeType": _JSON}
            for path, name, title, text in _TEMPLATES
        ]
        return {"resourceTemplates": listed}

    def _read(self, params: Params) -> dict[str, Any]:
        uri = _text(params, "uri")
        return {"contents": [{"uri": uri, "mimeType": _JSON, "text": _json(self._content(uri))}]}

    def _content(self, uri: str) -> dict[str, Any]:
        kind, _, name = uri.removeprefix(_SCHEME).partition("/")
        if not uri.startswith(_SCHEME) or uri == f"{_SCHEME}{kind}/":
            raise NotFound("Resource not found")
        if kind == "products" and re.fullmatch(PRODUCT_ID, name):
            return self._catalogue.get(name).model_dump(mode="json")
        if kind == "categories" and not name:
            return {"categories": self._catalogue.categories()}
        if kind == "categories":
            return self._category(unquote(name))
        raise NotFound("Resource not found")

    def _category(self, name: str) -> dict[str, Any]:
        try:
            wanted = Filters(category=name)
        except ValueError:
            raise NotFound("Resource not found") from None
        page = self._catalogue.page(wanted, _PAGE)
        # A category whose last product was removed is empty, not unknown: it is still listed.
        if not page.products and not self._catalogue.knows(wanted):
            raise NotFound("Resource not found")
        products = [each.model_dump(mode="json") for each in page.products]
        return {"category": wanted.category, "products": products, "nextCursor": page.next_cursor}


def _resource(path: str, name: str, title: str) -> dict[str, Any]:
    return {"uri": _SCHEME + path, "name": name, "title": title, "mimeType": _JSON}


def _text(params: Params, name: str) -> str:
    value = params.get(name)
    if not isinstance(value, str):
        raise BadRequest(f"{name}: must be text", param=name)
    return value


def _cursor(params: Params) -> str | None:
    return None if params.get("cursor") is None else _text(params, "cursor")


def _only_page(params: Params) -> None:
    if _cursor(params) is not None:
        raise BadRequest("cursor: this list has one page", param="cursor")


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
