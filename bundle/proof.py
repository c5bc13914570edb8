"""The facts that an earlier check has proved about a bundle, so that the same bytes are not analysed again."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Proof:
    """The graphs under a digest are safe to load and agree with each other.

    Attributes:
        digest: SHA-256 of the manifest, which names the SHA-256 of every file.
        row_bytes: most bytes that a graph of the bundle needs for each row of a batch.
    """

    digest: str
    row_bytes: int
