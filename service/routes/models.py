"""GET /models and below: the served models with their certificates, and why a version was refused."""

from collections.abc import Mapping
from typing import Annotated, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel, BeforeValidator, ConfigDict

from diffeo.bundle.manifest import BaseEntry, Calibration, Certificate, MassError, Provenance, Variant, VariantName
from diffeo.bundle.schema.column_kind import ColumnKind
from diffeo.bundle.schema.quality import Quality

from ..model import Model
from ..repository.repository import RefusedVersion, Repository
from ..repository.scan import version_number
from ..settings import Settings

State = Literal["ready", "refused", "loading"]


class VersionSummary(BaseModel):
    """One version in the list of versions."""

    version: int
    state: State
    reason: str | None = None


class ModelSummary(BaseModel):
    """One model in the list of models."""

    model: str
    default: bool
    columns: tuple[str, ...] | None
    versions: list[VersionSummary]


class ModelList(BaseModel):
    """All models of the repository."""

    models: list[ModelSummary]


class VersionDetail(BaseModel):
    """All properties of one version; if it was refused, only the reason."""

    model_config = ConfigDict(protected_namespaces=())

    model: str
    version: int
    state: State
    reason: str | None = None
    digest: str | None = None
    columns: tuple[str, ...] | None = None
    kinds: Mapping[str, ColumnKind] | None = None
    mass_error: MassError | None = None
    dtype: str | None = None
    precisions: tuple[str, ...] | None = None
    engine: str | None = None
    execution_providers: tuple[str, ...] | None = None
    base: BaseEntry | None = None
    certificate: Certificate | None = None
    variants: Mapping[VariantName, Variant] | None = None
    calibration: Calibration | None = None
    quality: Quality | None = None
    provenance: Provenance | None = None


class ModelDetail(ModelSummary):
    """One model: its versions, and all properties of the newest version that is served."""

    newest: VersionDetail | None


def _parse_version(text: str) -> int:
    # Only the form of a folder name is a version: pydantic alone would accept 1.0, +1 and 01 too.
    version = version_number(text)
    if version is None:
        raise ValueError("a version must be a whole number such as 1")
    return version


Name = Annotated[str, Path(max_length=64, description="The name of a model")]
Version = Annotated[int, BeforeValidator(_parse_version), Path(ge=1, description="The number of a version")]


def router(repository: Repository, settings: Settings) -> APIRouter:
    """The routes that describe the models of one repository."""
    routes = APIRouter(tags=["models"])

    @routes.get("/models", summary="All models")
    async def list_models() -> ModelList:
        return ModelList(models=[_summary(repository, name) for name in repository.models])

    @routes.get("/models/{model}", summary="One model")
    async def describe_model(model: Name) -> ModelDetail:
        summary = _summary(repository, model)
        newest = repository.newest(model)
        detail = _detail(newest, model, settings) if newest is not None else None
        return ModelDetail(**dict(summary), newest=detail)

    @routes.get("/models/{model}/versions/{version}", summary="One version")
    async def describe_version(model: Name, version: Version) -> VersionDetail:
        return _detail(repository.entry(model, version), model, settings)

    return routes


def _summary(repository: Repository, name: str) -> ModelSummary:
    newest = repository.newest(name)
    return ModelSummary(
        model=name,
        default=name == (repository.default or repository.single),
        columns=newest.manifest.columns if newest is not None else None,
        versions=[_version(entry) for entry in repository.versions(name).values()],
    )


def _version(entry: Model | RefusedVersion) -> VersionSummary:
    if isinstance(entry, RefusedVersion):
        return VersionSummary(version=entry.version, state=_unserved(entry), reason=entry.reason)
    return VersionSummary(version=entry.version, state="ready")


def _unserved(entry: RefusedVersion) -> State:
    return "loading" if entry.is_loading else "refused"


def _detail(entry: Model | RefusedVersion, name: str, settings: Settings) -> VersionDetail:
    if isinstance(entry, RefusedVersion):
        return VersionDetail(model=name, version=entry.version, state=_unserved(entry), reason=entry.reason)
    manifest = entry.manifest
    return VersionDetail(
        model=name,
        version=entry.version,
        state="ready",
        digest=entry.digest,
        columns=manifest.columns,
        kinds=manifest.kinds,
        mass_error=manifest.mass_error,
        dtype=manifest.dtype,
        precisions=(entry.precision, *entry.variants),
        engine=settings.engine,
        execution_providers=settings.execution_providers,
        base=manifest.base,
        certificate=manifest.certificate,
        variants=manifest.variants,
        calibration=manifest.calibration,
        quality=manifest.quality,
        provenance=manifest.provenance,
    )
