"""A job: what is asked of which model, cut into blocks before the first is computed, and always cut alike."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from diffeo.bundle.parameters import LOG_ABS_DET_JACOBIAN
from diffeo.bundle.read import Bundle
from diffeo.density import Direction, Draw, latent
from diffeo.errors import TableError
from diffeo.local.model import check_draw
from diffeo.tables.csv_numbers import Wrong

from .block import Block, cut
from .columns import matched
from .formats import FORMATS
from .job_folder import Facts
from .location import Place, found
from .query import Answers, Ask, Draws, Source, computed

SCHEMA: Final = "diffeo-job/1"
# About a second of one core for a small flow, and what is lost when a job is killed; a file of some megabytes.
BLOCK_ROWS: Final = 2**19


@dataclass(frozen=True, slots=True)
class Model:
    """Which model, and what it computes in."""

    bundle: Bundle
    name: str
    version: int
    precision: str | None


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be done.

    Attributes:
        model: by which model.
        ask: what is asked of it.
        blocks: the parts.
        written: the format of the parts.
        facts: all that decides the bytes of the parts, as JSON knows it.
    """

    model: Model
    ask: Ask
    blocks: tuple[Block, ...]
    written: str
    facts: Facts

    @property
    def rows(self) -> int:
        """Of all blocks."""
        return sum(block.span.rows for block in self.blocks)


def log_prob(  # noqa: PLR0913, PLR0917  (what a command line says)
    model: Model, files: list[str], kept: Sequence[str], written: str, block_rows: int, wrong: Wrong = "refuse"
) -> Job:
    """The log density of each row of files; raises TableError as `transform`."""
    return _over(model, "log_prob", files, ("forward", ("log_prob",)), kept, written, block_rows, wrong)


def transform(  # noqa: PLR0913, PLR0917  (as above)
    model: Model,
    files: list[str],
    direction: Direction,
    kept: Sequence[str],
    written: str,
    block_rows: int,
    wrong: Wrong = "refuse",
) -> Job:
    """The image of each row of files, and the log|det| of that direction.

    Raises:
        TableError: a file is not there, cannot be read, or has other columns than the model takes.
    """
    image = "z" if direction == "forward" else "x"
    return _over(
        model, "transform", files, (direction, (image, LOG_ABS_DET_JACOBIAN)), kept, written, block_rows, wrong
    )


def sample(model: Model, draw: Draw, parts: Sequence[str], written: str, block_rows: int) -> Job:
    """Rows of a seeded sample; raises Problem for a number out of its range."""
    check_draw(draw, parts)
    spans = cut(draw.start, draw.num_samples, block_rows)
    blocks = tuple(Block(number, 0, span) for number, span in enumerate(spans))
    asked = {**draw.rows(0, draw.num_samples), "parts": list(parts)}
    columns = computed(parts, model.bundle.manifest)
    return Job(
        model, Draws(draw, tuple(parts), columns), blocks, written, _facts(model, "sample", asked, written, block_rows)
    )


def _over(  # noqa: PLR0913, PLR0917  (as above)
    model: Model,
    verb: str,
    files: list[str],
    asked: tuple[Direction, tuple[str, ...]],
    kept: Sequence[str],
    written: str,
    block_rows: int,
    wrong: Wrong,
) -> Job:
    direction, parts = asked
    columns = model.bundle.manifest.columns
    names = columns if direction == "forward" else latent(columns)
    made = computed(parts, model.bundle.manifest)
    if written == "npy" and kept:
        raise TableError("npy holds nothing but numbers, so no columns can be kept in it; write another format")
    sources = tuple(_source(place, names, block_rows, wrong) for place in found(files, frozenset(FORMATS)))
    for source in sources:
        _check_kept(kept, source, made.names)
    spans = [(number, span) for number, source in enumerate(sources) for span in source.outline.spans]
    blocks = tuple(Block(number, source, span) for number, (source, span) in enumerate(spans))
    inputs = [{"file": source.place.url, **source.place.state()} for source in sources]
    facts = _facts(
        model, verb, {"direction": direction, "inputs": inputs, "kept": list(kept), "wrong": wrong}, written, block_rows
    )
    return Job(model, Answers(sources, direction, parts, tuple(kept), made), blocks, written, facts)


def _source(place: Place, names: Sequence[str], block_rows: int, wrong: Wrong) -> Source:
    try:
        outline = FORMATS[place.suffix].outline(place, block_rows)
    except (OSError, ValueError) as error:
        raise TableError(f"{place.name} cannot be read: {error}") from None
    outline = replace(outline, wrong=wrong)
    return Source(place, outline, matched(outline, names, place.name))


def _check_kept(kept: Sequence[str], source: Source, made: Sequence[str]) -> None:
    for name in kept:
        if source.outline.schema.names.count(name) != 1 or not source.outline.named:
            raise TableError(f"{source.place.name} has no column {name!r} to keep, or more than one")
        if name in made:
            raise TableError(
                f"the column {name!r} of {source.place.name} cannot be kept: what is computed has that name"
            )


def _facts(model: Model, verb: str, asked: Facts, written: str, block_rows: int) -> Facts:
    who = {"model": model.name, "version": model.version, "digest": model.bundle.digest}
    precision = model.precision or model.bundle.manifest.precision
    facts = {"schema": SCHEMA, "verb": verb, **who, "precision": precision, **asked}
    # As it is when it is read again: JSON has no tuples.
    found: Facts = json.loads(json.dumps({**facts, "format": written, "block_rows": block_rows}))
    return found
