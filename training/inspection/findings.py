"""`Findings`: what the steps of an inspection find, in the order in which they find it."""

from dataclasses import dataclass, field

from diffeo.tables.reading.fault import Fault


@dataclass(slots=True)
class Findings:
    """The findings of an inspection.

    Attributes:
        faults: what must be decided or corrected.
        notes: what was chosen, and what is unusual.
        left_out: why each column is left out that is not used.
        has_fractions: a column that is used does not hold whole numbers alone.
    """

    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    has_fractions: bool = False
