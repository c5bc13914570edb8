"""GET /livez and /readyz: the process runs; every model that should be served is served."""

from fastapi import APIRouter, Response
from pydantic import BaseModel

from service.model import Model
from service.repository import Repository


class Health(BaseModel):
    """The answer to a probe."""

    status: str
    models: int


def router(repository: Repository) -> APIRouter:
    """The probes over one repository."""
    routes = APIRouter(tags=["operations"])
    # A refused version leaves the others serving; a model without any served version is not ready.
    served = [any(isinstance(entry, Model) for entry in found.values()) for found in repository.models.values()]

    # HEAD beside GET, as load balancers ask; FastAPI routes one method only.
    @routes.head("/livez", include_in_schema=False)
    @routes.get("/livez", summary="The process answers")
    async def livez() -> Health:
        return Health(status="alive", models=sum(served))

    @routes.head("/readyz", include_in_schema=False)
    @routes.get("/readyz", summary="Every model is served", responses={503: {"model": Health}})
    async def readyz(response: Response) -> Health:
        ready = all(served)
        response.status_code = 200 if ready else 503
        return Health(status="ready" if ready else "not ready", models=sum(served))

    return routes
