"""Whether Daybook can serve: open to everybody, for load balancers and people."""

from litestar import get
from litestar.response import Response

from infrastructure.health import Health
from interfaces.http.call import Call
from interfaces.http.entrance import OPEN


@get("/health", roles=OPEN)
async def health(request: Call) -> Response[Health]:
    """Each dependency, and how far each read table is behind the log. 503 when it cannot serve."""
    found = await request.parts.health.check()
    return Response(found, status_code=200 if found.ok else 503)


ROUTES = [health]
