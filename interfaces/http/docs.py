"""The API's description: an OpenAPI document, and two pages to read it.

`/docs` is plain HTML and needs nothing else. `/docs/scalar` can also send requests, but its script comes
from a content network, as that of every such page does: it stays empty without the internet.
"""

import html
import importlib.metadata
from typing import Any

from litestar import Request, Router
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, OpenAPIRenderPlugin, ScalarRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

from interfaces.http.entrance import OPEN

BEARER: dict[str, list[str]] = {"bearer": []}

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
code, pre { font-family: ui-monospace, monospace; font-size: 14px } pre { white-space: pre-wrap }
section { border-top: 1px solid #ccc; margin-top: 1.5rem } dt { font-weight: 600 } b { color: #05a }
"""


class PlainPage(OpenAPIRenderPlugin):
    """The document as a page without scripts: every operation, then every type."""

    def render(self, request: "Request[Any, Any, Any]", openapi_schema: dict[str, Any]) -> bytes:
        """The page."""
        operations = [
            _operation(method, path, operation)
            for path, methods in openapi_schema["paths"].items()
            for method, operation in methods.items()
        ]
        types = openapi_schema.get("components", {}).get("schemas", {})
        parts = [
            "<!doctype html><html lang=en><meta charset=utf-8><title>Daybook API</title>",
            f"<style>{_STYLE}</style><h1>Daybook API</h1><p>{_text(openapi_schema['info'], 'description')}</p>",
            "<p><a href='/docs/openapi.json'>OpenAPI document</a> ·",
            "<a href='/docs/scalar'>Interactive page</a> (loads its script from the internet)</p>",
            *operations,
            "<h2>Types</h2>",
            *(_type(name, types[name]) for name in sorted(types)),
            "</html>",
        ]
        return "\n".join(parts).encode()


def openapi() -> OpenAPIConfig:
    """What is described, and where: `/docs`, `/docs/scalar` and `/docs/openapi.json`."""
    return OpenAPIConfig(
        title="Daybook",
        version=importlib.metadata.version("daybook"),
        description="A stock brokerage whose whole truth is one append-only log.",
        components=Components(
            security_schemes={
                "bearer": SecurityScheme(type="http", scheme="bearer", description="From a login")
            }
        ),
        use_handler_docstrings=True,
        render_plugins=[
            PlainPage(path="/"),
            ScalarRenderPlugin(path="/scalar"),
            JsonRenderPlugin(path="/openapi.json"),
        ],
        openapi_router=Router("/docs", route_handlers=[], include_in_schema=False, opt={"roles": OPEN}),
    )


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    parameters = "".join(
        f"<li><code>{html.escape(each['name'])}</code> ({each['in']}) {_text(each, 'description')}</li>"
        for each in operation.get("parameters", [])
    )
    body = _reference(operation.get("requestBody", {}).get("content", {}))
    answers = "".join(
        f"<li>{status} {_reference(answer.get('content', {}))}</li>"
        for status, answer in operation.get("responses", {}).items()
    )
    return (
        f"<section><h3><b>{method.upper()}</b> <code>{html.escape(path)}</code></h3>"
        f"<pre>{_text(operation, 'description')}</pre><ul>{parameters}</ul>"
        f"{f'<p>Body: {body}</p>' if body else ''}<p>Answers:</p><ul>{answers}</ul></section>"
    )


def _type(name: str, schema: dict[str, Any]) -> str:
    fields = "".join(
        f"<dt><code>{html.escape(field)}</code></dt><dd>{_text(about, 'description')} {_kind(about)}</dd>"
        for field, about in schema.get("properties", {}).items()
    )
    return f"<section id='{html.escape(name)}'><h3>{html.escape(name)}</h3><dl>{fields}</dl></section>"


def _reference(content: dict[str, Any]) -> str:
    return ", ".join(_kind(media.get("schema", {})) for media in content.values())


def _kind(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = html.escape(schema["$ref"].rsplit("/", 1)[-1])
        return f"<a href='#{name}'>{name}</a>"
    if "oneOf" in schema:
        return " or ".join(_kind(each) for each in schema["oneOf"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    return html.escape(str(schema.get("format") or schema.get("type") or ""))


def _text(about: dict[str, Any], name: str) -> str:
    return html.escape(str(about.get(name) or ""))
