"""HTTP APIs: the routes of the template become those of the laptop port."""

from typing import Any

from tunestep.local.http_api import Route
from tunestep.local.resources.context import Context, Deployed


def api(context: Context, logical_id: str, properties: dict[str, Any]) -> Deployed:
    """The API answers at the laptop's own address."""
    return Deployed(logical_id, {"ApiId": logical_id, "ApiEndpoint": context.url})


def integration(context: Context, logical_id: str, properties: dict[str, Any]) -> Deployed:
    """A Lambda proxy integration; its Ref is the function, by which a route's target finds it."""
    return Deployed(properties["IntegrationUri"], {})


def route(context: Context, logical_id: str, properties: dict[str, Any]) -> Deployed:
    function = properties["Target"].removeprefix("integrations/")
    signed = properties.get("AuthorizationType", "NONE") == "AWS_IAM"
    context.routes.append(Route(properties["RouteKey"], function, signed))
    return Deployed(logical_id, {})


def stage(context: Context, logical_id: str, properties: dict[str, Any]) -> Deployed:
    """Everything is served at once; throttling and access logs have no effect on a laptop."""
    return Deployed(properties["StageName"], {})
