"""The API's description: an OpenAPI document, and pages to read it."""

import importlib.metadata

from litestar import Router
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, ScalarRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

from interfaces.http.entrance import OPEN

BEARER: dict[str, list[str]] = {"bearer": []}


def openapi() -> OpenAPIConfig:
    """What is described, and where: `/docs` and `/docs/openapi.json`."""
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
        render_plugins=[ScalarRenderPlugin(path="/"), JsonRenderPlugin(path="/openapi.json")],
        openapi_router=Router("/docs", route_handlers=[], opt={"roles": OPEN}),
    )
