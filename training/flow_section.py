"""`FlowSection`: the shape of a flow, as a recipe gives it."""

from typing import Annotated, Literal, Self

from pydantic import Field, PlainSerializer, PlainValidator, model_validator

from .data_section import Count, Section
from .flows.architecture import Architecture, LinearPlaces
from .flows.registry import coupling_from_keys, describe_transform, parse_transform
from .flows.transform import TransformSpec

Components = Annotated[int, Field(ge=0, le=1024)]
Share = Annotated[float, Field(ge=0, lt=1)]
# A table with the key `name` and the options of that transform (`diffeo.training.flows.registry`).
TransformTable = Annotated[TransformSpec, PlainValidator(parse_transform), PlainSerializer(describe_transform)]


class FlowSection(Section):
    """The shape of the flow (`diffeo.training.flows.architecture`).

    `limit`, `block` and `det` describe an affine coupling (block 0) or a triangular one (block 1 and above). The table
    `[flow.transform]` describes any transform of the registry and takes their place. `marginals`, `linear`, `permuted`,
    `components`, `residual`, `dropout`, `noise` and `tails` are those of the architecture; "auto" leaves a number to
    the table (`diffeo.training.preparation.flow_sizes`). With `mixture`, the best mixture of Gaussians is published
    where the flow is not better. A flow is left out where the table has more columns than `most_columns`.
    """

    layers: Annotated[int, Field(ge=0, le=64)] | Literal["auto"]
    hidden: Count
    depth: Count = 2
    limit: Annotated[float, Field(gt=0, le=20)] = 3.0
    sharpness: Annotated[float, Field(gt=0, le=100)] = 1.0
    block: Annotated[int, Field(ge=0)] = 0
    det: Annotated[float, Field(gt=0)] | None = None
    # Left out of the digest when absent, so that the digests of recipes without them stay as they were.
    transform: Annotated[TransformTable | None, Field(exclude_if=lambda value: value is None)] = None
    marginals: Annotated[int, Field(ge=0, le=128, exclude_if=lambda value: not value)] = 0
    linear: Annotated[LinearPlaces, Field(exclude_if=lambda value: value == "none")] = "none"
    permuted: Annotated[bool, Field(exclude_if=lambda value: not value)] = False
    components: Annotated[Components | Literal["auto"], Field(exclude_if=lambda value: not value)] = 0
    residual: Annotated[bool, Field(exclude_if=lambda value: not value)] = False
    dropout: Annotated[Share | Literal["auto"], Field(exclude_if=lambda value: not value)] = 0.0
    noise: Annotated[Share | Literal["auto"], Field(exclude_if=lambda value: not value)] = 0.0
    tails: Annotated[bool, Field(exclude_if=lambda value: not value)] = False
    mixture: Annotated[bool, Field(exclude_if=lambda value: not value)] = False
    most_columns: Annotated[Count | None, Field(exclude_if=lambda value: value is None)] = None

    @model_validator(mode="after")
    def _det_needs_a_matrix(self) -> Self:
        if self.det is not None and self.block == 0:
            raise ValueError("det sets |det A|, and block = 0 has no matrix A; give block 1 or more")
        return self

    @model_validator(mode="after")
    def _one_description(self) -> Self:
        doubled = sorted({"limit", "block", "det"} & self.model_fields_set)
        if self.transform is not None and doubled:
            raise ValueError(f"move {', '.join(doubled)} into [flow.transform]; [flow] cannot hold both")
        return self

    def architecture(self, dimension: int) -> Architecture:
        """The flow of this shape for D = `dimension` columns.

        Raises:
            ValueError: `layers`, `components`, `dropout` or `noise` is still "auto".
        """
        if self.layers == "auto" or self.components == "auto" or self.dropout == "auto" or self.noise == "auto":
            raise ValueError("layers, components, dropout and noise are numbers once the table is known")
        transform = self.transform or coupling_from_keys(self.limit, self.block, self.det)
        return Architecture(
            dimension,
            self.layers,
            self.hidden,
            self.depth,
            transform,
            self.marginals,
            self.linear,
            self.permuted,
            self.components,
            self.residual,
            self.dropout,
            self.tails,
            self.noise,
        )
