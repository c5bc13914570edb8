"""The schema of manifest.json: the columns, files, certificate and provenance of a bundle."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal, NamedTuple, Self, get_args

from pydantic import Field, model_validator

from . import columns
from .errors import listed
from .schema.column_kind import ColumnKind
from .schema.frozen import Frozen
from .schema.quality import Quality

FORMAT: Final = "diffeo-bundle/1"
# A bundle with kinds of columns, a mixture as base, or a calibration sample. Every other bundle is written in the first
# format, as before these existed.
SECOND_FORMAT: Final = "diffeo-bundle/2"
RNG: Final = "philox4x64-10/1"

MANIFEST_NAME: Final = "manifest.json"
SEAL_NAME: Final = "manifest.sha256"
BASE_NAME: Final = "base.npy"
HELD_OUT_NAME: Final = "held_out_log_prob.npy"
SAMPLES_NAME: Final = "sample_log_prob.npy"

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
    "base.npy",
    "held_out_log_prob.npy",
    "sample_log_prob.npy",
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
    "sample_law",
    "two_sample",
    "row_isolation",
]
FactName = Literal["least_singular_value", "greatest_singular_value", "finite_radius", "share_beyond_1e-5"]
SHARED_CHECKS: Final[frozenset[CheckName]] = frozenset(
    {"round_trip", "log_abs_det_jacobian", "batch_invariance", "non_finite_within_20_sigma"}
)
# In two dimensions the density can be integrated on a grid; in more dimensions a grid is too expensive.
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
    """The files of one precision: the graphs of both directions, and the golden vectors that they must reproduce."""

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

# Larger than any flow we know, and small enough that a hostile size cannot exhaust memory.
MAX_FILE_BYTES: Final = 256 * 2**20
MAX_COLUMNS: Final = 4096


class BaseEntry(Frozen):
    """The distribution of z, and the random number generator that draws it (`diffeo.bundle.base`).

    Attributes:
        kind: `gaussian_mixture` has its components in base.npy (`diffeo.bundle.mixture`).
    """

    kind: Literal["standard_normal", "gaussian_mixture"]
    rng: Literal["philox4x64-10/1"]


class FileEntry(Frozen):
    """Size and SHA-256 of one file of the bundle."""

    bytes: Annotated[int, Field(ge=1, le=MAX_FILE_BYTES)]
    sha256: Sha256


class Check(Frozen):
    """One measurement of the certificate; it holds if value <= tolerance."""

    name: CheckName
    value: Annotated[float, Field(ge=0)]
    tolerance: Annotated[float, Field(ge=0)]
    rows: Annotated[int, Field(ge=1)]
    about: Annotated[str, Field(max_length=256)]

    @property
    def holds(self) -> bool:
        """True if the measurement is within its tolerance."""
        return self.value <= self.tolerance


class Fact(Frozen):
    """One number of the certificate that has no tolerance."""

    name: FactName
    value: Annotated[float, Field(ge=0)]
    about: Annotated[str, Field(max_length=256)]


class Certificate(Frozen):
    """Measurements that the graphs implement one normalised, invertible density; not that the density fits the data."""

    reference: Annotated[str, Field(max_length=128)]
    runtime: Annotated[str, Field(max_length=128)]
    checks: Annotated[tuple[Check, ...], Field(max_length=32)]
    # Left out where there are none, so that older manifests keep their bytes.
    facts: Annotated[tuple[Fact, ...], Field(max_length=32, exclude_if=lambda facts: not facts)] = ()


class Variant(Frozen):
    """The same flow in a lower precision; the certificate measures how much the density of its graphs differs."""

    certificate: Certificate


class MassError(Frozen):
    """The error of the log mass of rows: the density at the middle of each interval times its width, for the integral.

    Attributes:
        mean: mean of |log mass as served - log of the integral of the density over the intervals|, nats.
        p99: its 99th percentile.
        rows: number of rows that were measured.
    """

    mean: Annotated[float, Field(ge=0)]
    p99: Annotated[float, Field(ge=0)]
    rows: Annotated[int, Field(ge=1)]


class Calibration(Frozen):
    """Quantiles of log_prob in nats on held-out rows: the usual range for rows of this model."""

    rows: Annotated[int, Field(ge=1)]
    levels: tuple[float, ...]
    log_prob: tuple[float, ...]

    @model_validator(mode="after")
    def _one_quantile_per_level(self) -> Self:
        if len(self.levels) != len(self.log_prob):
            raise ValueError(f"{len(self.levels)} levels but {len(self.log_prob)} quantiles of log_prob")
        return self


class Provenance(Frozen):
    """The origin of the model: recipe, data and package versions, enough to fit it again."""

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
    """The content of manifest.json; `models/README.md` specifies each field."""

    format: Literal["diffeo-bundle/1", "diffeo-bundle/2"]
    columns: Annotated[tuple[ColumnName, ...], Field(min_length=1, max_length=MAX_COLUMNS)]
    # Omitted if empty, like variants: a manifest without kinds has the same bytes as before kinds existed.
    kinds: dict[ColumnName, ColumnKind] = Field(default_factory=dict, exclude_if=lambda kinds: not kinds)
    mass_error: Annotated[MassError | None, Field(exclude_if=lambda error: error is None)] = None
    dtype: Dtype
    graph_dtype: Annotated[Dtype | None, Field(exclude_if=lambda dtype: dtype is None)] = None
    precision: Dtype
    base: BaseEntry
    files: dict[FileName, FileEntry]
    certificate: Certificate
    calibration: Calibration | None
    # Omitted if absent: bundles from before the comparison with data existed have none.
    quality: Annotated[Quality | None, Field(exclude_if=lambda quality: quality is None)] = None
    provenance: Provenance
    # Omitted if empty, so that a manifest without variants has the same bytes as before variants existed.
    variants: dict[VariantName, Variant] = Field(default_factory=dict, exclude_if=lambda variants: not variants)

    @property
    def dimension(self) -> int:
        """Number of columns, D."""
        return len(self.columns)

    @property
    def input_dtype(self) -> Dtype:
        """Type of the input of the forward graph: of y if there are kinds, else of x."""
        return self.graph_dtype or self.dtype

    @property
    def snaps(self) -> bool:
        """True if a column has atoms or whole numbers, so that rows of a sample are rounded to them."""
        return any(kind.snaps for kind in self.kinds.values())

    @property
    def is_discrete(self) -> bool:
        """True if every column has atoms or whole numbers, so that rows of the data repeat."""
        return all(name in self.kinds and self.kinds[name].snaps for name in self.columns)

    @model_validator(mode="after")
    def _kinds_fit_the_format(self) -> Self:
        is_newer = bool(self.kinds) or self.base.kind != "standard_normal" or HELD_OUT_NAME in self.files
        if self.format == FORMAT and is_newer:
            raise ValueError(f"kinds, a gaussian_mixture and {HELD_OUT_NAME} belong to {SECOND_FORMAT}")
        if self.format == SECOND_FORMAT and not is_newer:
            raise ValueError(
                f"{SECOND_FORMAT} has kinds, a gaussian_mixture or {HELD_OUT_NAME}; a bundle without them is {FORMAT}"
            )
        if not self.kinds:
            if self.mass_error is not None or self.graph_dtype is not None:
                raise ValueError("mass_error and graph_dtype are given only with kinds")
            return self
        if strangers := self.kinds.keys() - set(self.columns):
            raise ValueError(f"kinds names {listed(map(ascii, sorted(strangers)))}, which columns does not")
        if self.dtype != "float64" or self.graph_dtype is None:
            raise ValueError("a bundle with kinds has the dtype float64, and graph_dtype for the input of the graphs")
        if self.snaps != (self.mass_error is not None):
            raise ValueError("mass_error is given if and only if a column is integer or has atoms")
        return self

    @model_validator(mode="after")
    def _columns_are_distinct(self) -> Self:
        if len(set(self.columns)) != len(self.columns):
            raise ValueError(f"columns repeat a name: {', '.join(self.columns)}")
        for name in self.columns:
            if reason := columns.problem(name):
                raise ValueError(reason)
        return self

    @model_validator(mode="after")
    def _files_are_complete(self) -> Self:
        missing = set(MAIN_FILES) - self.files.keys()
        if missing:
            raise ValueError(f"files lacks {', '.join(sorted(missing))}")
        if ("forward.ts" in self.files) != ("inverse.ts" in self.files):
            raise ValueError("files names one TorchScript graph; forward.ts and inverse.ts come as a pair")
        if (HELD_OUT_NAME in self.files) != (SAMPLES_NAME in self.files):
            raise ValueError(
                f"files names one part of the calibration sample; {HELD_OUT_NAME} and {SAMPLES_NAME} come as a pair"
            )
        if (BASE_NAME in self.files) != (self.base.kind == "gaussian_mixture"):
            raise ValueError(f"files names {BASE_NAME} if and only if base is a gaussian_mixture")
        for variant, trio in VARIANT_FILES.items():
            expected = set(trio) if variant in self.variants else set()
            if self.files.keys() & set(trio) != expected:
                raise ValueError(f"files names {', '.join(trio)} if and only if variants names {variant}")
        return self
