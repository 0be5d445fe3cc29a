"""Query parameters: what a route declares, and the refusal of everything else.

A parameter that is ignored is a filter that does not filter: whoever wrote `accout_id` would read everybody's rows.
"""

from typing import Any

from litestar.params import QueryParameter

from interfaces.http.refusals import RequestMustBeWellFormed

_declared: dict[int, tuple[Any, dict[str, str]]] = {}


def declared_by(handler: Any) -> dict[str, str]:
    """The query parameters of a route: what each is called in our function, and outside."""
    known = _declared.get(id(handler))
    if known is None:
        parameters = handler.parsed_fn_signature.parameters.items()
        kinds = [(name, field.kwarg_definition) for name, field in parameters]
        names = {name: kind.name or name for name, kind in kinds if isinstance(kind, QueryParameter)}
        # The handler is kept beside its names, so that its id is never another's.
        known = _declared[id(handler)] = (handler, names)
    return known[1]


def require_known_parameters(call: Any) -> None:
    """Refuse a query parameter that the route does not have. Raises RequestMustBeWellFormed."""
    if not call.scope["query_string"]:
        return
    names = declared_by(call.route_handler).values()
    for name in call.query_params:
        if name not in names:
            known = f"it has {', '.join(names)}" if names else "it has none"
            raise RequestMustBeWellFormed(
                f"this route has no query parameter {name!r}; {known}", parameter=name
            )
