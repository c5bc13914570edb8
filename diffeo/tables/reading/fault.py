"""`Fault`: one reason why a table cannot be used as it is, and the option that answers it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One reason why a table cannot be used as it is.

    Attributes:
        sentence: a true sentence that says what came and where.
        option: the exact option that answers it, as typed; empty where only the file can be corrected.
    """

    sentence: str
    option: str = ""

    def __str__(self) -> str:
        """The sentence, then the option."""
        return f"{self.sentence}: {self.option}" if self.option else self.sentence
