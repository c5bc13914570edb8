"""`Frozen`, the base of every part of the manifest: it never changes, and it is as strict as the format."""

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """An immutable part of the manifest: no type coercion, no unknown key, no NaN."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)
