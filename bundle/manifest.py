"""The manifest is the bundle's table of contents: frozen, strict, and nothing in it is optional by accident."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal, NamedTuple, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

FORMAT: Final = "diffeo-bundle/1"
RNG: Final = "philox4x64-10/1"

MANIFEST_NAME: Final = "manifest.json"
SEAL_NAME: Final = "manifest.sha256"

FileName = Literal[
    "forward.onnx",
    "inverse.onnx",
    "golden.npy",
    "flow.safetensors",
    "forward.ts",
    "inverse.ts",
    "forward.int8.onnx",
    "inverse.int8.onnx",
    "golden.int8.npy",
]
KNOWN_FILES: Final = frozenset(get_args(FileName))

CheckName = Literal[
    "parity",
    "round_trip",
    "log_abs_det_jacobian",
    "batch_invariance",
    "non_finite_within_20_sigma",
    "normalisation",
    "delta_log_prob_mean",
    "delta_log_prob_p999",
    "delta_log_prob_max",
    "round_trip_p90",
]
SHARED_CHECKS: Final[frozenset[CheckName]] = frozenset(
    {"round_trip", "log_abs_det_jacobian", "batch_invariance", "non_finite_within_20_sigma"}
)
# A grid over the plane is cheap; in more dimensions no grid is, so the integral is asked of 2-D models only.
PLANE: Final = 2
PLANE_CHECKS: Final[frozenset[CheckName]] = frozenset({"normalisation"})
REQUIRED_CHECKS: Final[frozenset[CheckName]] = SHARED_CHECKS | {"parity"}
VARIANT_CHECKS: Final[frozenset[CheckName]] = SHARED_CHECKS | {
    "delta_log_prob_mean",
    "delta_log_prob_p999",
    "delta_log_prob_max",
    "round_trip_p90",
}

VariantName = Literal["int8"]


class Trio(NamedTuple):
    """What a runtime needs to compute a flow in one precision, and to prove that it does."""

    forward: FileName
    inverse: FileName
    golden: FileName


MAIN_FILES: Final = Trio("forward.onnx", "inverse.onnx", "golden.npy")
VARIANT_FILES: Final[Mapping[VariantName, Trio]] = {
    "int8": Trio("forward.int8.onnx", "inverse.int8.onnx", "golden.int8.npy"),
}

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
ColumnName = Annotated[str, Field(min_length=1, max_length=128)]
Dtype = Literal["float32", "float64"]

# Larger than any flow we have met, small enough that a hostile size cannot exhaust memory.
MAX_FILE_BYTES: Final = 256 * 2**20
MAX_COLUMNS: Final = 4096


class Frozen(BaseModel):
    """A value: immutable, no coercion, no unknown key, no NaN."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class Base(Frozen):
    """Law of z and the counted random numbers that draw it (`diffeo.bundle.base`)."""

    kind: Literal["standard_normal"]
    rng: Literal["philox4x64-10/1"]


class FileEntry(Frozen):
    """What one file of the bundle must be, to the byte."""

    bytes: Annotated[int, Field(ge=1, le=MAX_FILE_BYTES)]
    sha256: Sha256


class Check(Frozen):
    """One measured figure of the certificate; it holds when value <= tolerance."""

    name: CheckName
    value: Annotated[float, Field(ge=0)]
    tolerance: Annotated[float, Field(ge=0)]
    rows: Annotated[int, Field(ge=1)]
    about: Annotated[str, Field(max_length=256)]

    @property
    def holds(self) -> bool:
        """True when the figure is within its tolerance."""
        return self.value <= self.tolerance


class Certificate(Frozen):
    """Proof that the graphs implement one normalised, invertible density; it does not claim that the density fits."""

    reference: Annotated[str, Field(max_length=128)]
    runtime: Annotated[str, Field(max_length=128)]
    checks: Annotated[tuple[Check, ...], Field(max_length=32)]


class Variant(Frozen):
    """The same flow in lower precision: graphs of a density of its own, and how far it is from the flow's."""

    certificate: Certificate


class Calibration(Frozen):
    """Quantiles of log_prob (nats) on held-out rows: what an ordinary row of this model scores."""

    rows: Annotated[int, Field(ge=1)]
    levels: tuple[float, ...]
    log_prob: tuple[float, ...]

    @model_validator(mode="after")
    def _one_quantile_per_level(self) -> Self:
        if len(self.levels) != len(self.log_prob):
            raise ValueError(f"{len(self.levels)} levels but {len(self.log_prob)} quantiles of log_prob")
        return self


class Provenance(Frozen):
    """Where the numbers come from, in enough detail to make them again."""

    name: Annotated[str, Field(max_length=128)]
    created: Annotated[str, Field(max_length=40)]
    recipe: dict[str, str | int | float | bool]
    data_sha256: Sha256
    data_rows: Annotated[int, Field(ge=0)]
    versions: dict[str, str]
    parameters: Annotated[int, Field(ge=0)]
    test_rows: Annotated[int, Field(ge=0)]
    test_nll: float
    kl_to_truth: float | None


class Manifest(Frozen):
    """Table of contents of one bundle; `models/README.md` specifies it field by field."""

    format: Literal["diffeo-bundle/1"]
    columns: Annotated[tuple[ColumnName, ...], Field(min_length=1, max_length=MAX_COLUMNS)]
    dtype: Dtype
    precision: Dtype
    base: Base
    files: dict[FileName, FileEntry]
    certificate: Certificate
    calibration: Calibration | None
    provenance: Provenance
    # Left out when empty: a bundle without variants is the same bytes as before there were any.
    variants: Annotated[dict[VariantName, Variant], Field(exclude_if=lambda variants: not variants)] = {}

    @property
    def dimension(self) -> int:
        """Number of columns, D."""
        return len(self.columns)

    @model_validator(mode="after")
    def _columns_are_distinct(self) -> Self:
        if len(set(self.columns)) != len(self.columns):
            raise ValueError(f"columns repeat a name: {', '.join(self.columns)}")
        return self

    @model_validator(mode="after")
    def _files_are_complete(self) -> Self:
        missing = set(MAIN_FILES) - self.files.keys()
        if missing:
            raise ValueError(f"files lacks {', '.join(sorted(missing))}")
        if ("forward.ts" in self.files) != ("inverse.ts" in self.files):
            raise ValueError("files names one TorchScript graph; forward.ts and inverse.ts come as a pair")
        for variant, trio in VARIANT_FILES.items():
            expected = set(trio) if variant in self.variants else set()
            if self.files.keys() & set(trio) != expected:
                raise ValueError(f"files names {', '.join(trio)} if and only if variants names {variant}")
        return self
