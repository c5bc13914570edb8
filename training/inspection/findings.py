"""`Findings`: what the steps of an inspection find, in the order in which they find it."""

from dataclasses import dataclass, field

from diffeo.tables.reading.fault import Fault


@dataclass(slots=True)
class Findings:
    """What the steps of an inspection find.

    Attributes:
        faults: what must be decided or corrected.
        notes: what was chosen, and what is unusual.
        left_out: why each column is left out that is not used.
    """

    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
