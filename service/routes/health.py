"""GET /livez and /readyz: whether the process runs, and whether every model found at the start is served."""

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from ..repository.repository import Repository


class Health(BaseModel):
    """The answer to a health check: a status word, and the number of served models."""

    status: str
    models: int


def router(repository: Repository) -> APIRouter:
    """The health checks of one repository."""
    routes = APIRouter(tags=["operations"])

    # Load balancers send HEAD requests too; FastAPI adds no HEAD route to a GET route.
    @routes.head("/livez", include_in_schema=False)
    @routes.get("/livez", summary="The process runs")
    async def livez() -> Health:
        return Health(status="alive", models=repository.served)

    @routes.head("/readyz", include_in_schema=False)
    @routes.get("/readyz", summary="Every model is served", responses={503: {"model": Health}})
    async def readyz(request: Request, response: Response) -> Health:
        ready = repository.ready and not request.scope.get("state", {}).get("stopping")
        response.status_code = 200 if ready else 503
        return Health(status="ready" if ready else "not ready", models=repository.served)

    return routes
