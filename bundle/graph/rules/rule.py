"""The frame of a rule: the inputs and attributes of one node, and the function that derives its outputs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ..content import Attribute
from ..value import Unprovable, Value


@dataclass(frozen=True, slots=True)
class Call:
    """One node with the values of its inputs.

    Attributes:
        inputs: the values; None for an input that is left out.
        attributes: by name.
        opset: version of the operator set.
        outputs: number of its outputs.
    """

    inputs: tuple[Value | None, ...]
    attributes: Mapping[str, Attribute]
    opset: int
    outputs: int

    def value(self, index: int) -> Value:
        """A required input."""
        value = self.optional(index)
        if value is None:
            raise Unprovable(f"its input {index} is missing")
        return value

    def optional(self, index: int) -> Value | None:
        """An input, or None if it is left out."""
        return self.inputs[index] if index < len(self.inputs) else None

    def all(self) -> tuple[Value, ...]:
        """Every input, each required."""
        return tuple(self.value(index) for index in range(max(1, len(self.inputs))))

    def integer(self, name: str, default: int) -> int:
        """An integer attribute."""
        value = self.attributes.get(name, default)
        if not isinstance(value, int):
            raise Unprovable(f"its attribute {name} is no integer")
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        """An attribute that is 0 or 1; of other numbers, runtimes disagree which of the two they are."""
        value = self.integer(name, int(default))
        if value not in {0, 1}:
            raise Unprovable(f"its attribute {name} is {value}; expected 0 or 1")
        return value == 1

    def integers(self, name: str) -> tuple[int, ...] | None:
        """A list of integers, or None if the attribute is absent."""
        value = self.attributes.get(name)
        if value is None:
            return None
        if not isinstance(value, tuple) or not all(isinstance(item, int) for item in value):
            raise Unprovable(f"its attribute {name} is no list of integers")
        return tuple(item for item in value if isinstance(item, int))


Derive = Callable[[Call], Value | tuple[Value, ...]]


@dataclass(frozen=True, slots=True)
class Rule:
    """How one operator treats rows.

    Attributes:
        derive: the outputs of a node; it raises Unprovable unless each row of an output depends on the same row of the
            inputs alone.
        inputs: least and most inputs.
        attributes: names of the attributes that `derive` knows; a node with another one is refused.
        reads_sizes: True if an input may hold the number of rows.
    """

    derive: Derive
    inputs: tuple[int, int]
    attributes: frozenset[str] = field(default_factory=frozenset)
    reads_sizes: bool = False
