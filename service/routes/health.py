"""GET /livez and /readyz: the process runs; every model that was there at the start is served."""

from fastapi import APIRouter, Response
from pydantic import BaseModel

from ..repository.repository import Repository


class Health(BaseModel):
    """The answer to a probe."""

    status: str
    models: int


def router(repository: Repository) -> APIRouter:
    """The probes over one repository."""
    routes = APIRouter(tags=["operations"])

    # HEAD beside GET, as load balancers ask; FastAPI routes one method only.
    @routes.head("/livez", include_in_schema=False)
    @routes.get("/livez", summary="The process answers")
    async def livez() -> Health:
        return Health(status="alive", models=repository.served)

    @routes.head("/readyz", include_in_schema=False)
    @routes.get("/readyz", summary="Every model is served", responses={503: {"model": Health}})
    async def readyz(response: Response) -> Health:
        ready = repository.ready
        response.status_code = 200 if ready else 503
        return Health(status="ready" if ready else "not ready", models=repository.served)

    return routes
