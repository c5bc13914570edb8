"""`Frozen`: the base class of every part of a manifest."""

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """An immutable part of the manifest: no type coercion, no unknown key, no NaN."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)
