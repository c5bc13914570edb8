"""GET /livez and /readyz: whether the process runs, and whether it serves a model and none computes wrong numbers."""

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from ..repository.repository import Repository


class Health(BaseModel):
    """The answer to a health check: a status word, the number of served models, and why versions are withheld."""

    status: str
    models: int
    withheld: dict[str, str] | None = None


def router(repository: Repository) -> APIRouter:
    """The health checks of one repository."""
    routes = APIRouter(tags=["operations"])

    # Load balancers send HEAD requests too; FastAPI adds no HEAD route to a GET route.
    @routes.head("/livez", include_in_schema=False)
    @routes.get("/livez", summary="The process runs", response_model_exclude_none=True)
    async def livez() -> Health:
        return Health(status="alive", models=repository.served)

    @routes.head("/readyz", include_in_schema=False)
    @routes.get(
        "/readyz",
        summary="A model is served, and none computes wrong numbers",
        response_model_exclude_none=True,
        responses={503: {"model": Health}},
    )
    async def readyz(request: Request, response: Response) -> Health:
        ready = repository.ready and not request.scope.get("state", {}).get("stopping")
        response.status_code = 200 if ready else 503
        withheld = {f"{name}/{version}": reason for (name, version), reason in repository.withheld.items()}
        return Health(status="ready" if ready else "not ready", models=repository.served, withheld=withheld or None)

    return routes
