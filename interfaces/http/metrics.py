"""Figures for Prometheus: open to everybody who reaches the port, as `/health` is."""

from litestar import get
from litestar.response import Response

from infrastructure.metrics import MEDIA_TYPE
from interfaces.http.call import Call
from interfaces.http.entrance import OPEN


@get("/metrics", roles=OPEN)
async def metrics(request: Call) -> Response[bytes]:
    """Figures of the log, the read tables and all roles, in Prometheus's text format."""
    return Response(await request.parts.metrics.page(), media_type=MEDIA_TYPE)


ROUTES = [metrics]
