"""The blocks of a job on Ray Data: an actor with a model of its own for each core; no other file here knows Ray."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Final

import ray

from .block import Block, Record
from .worker import Work, Worker

# Ray keeps account of each of its own blocks; a job may have more of ours than are worth that.
MOST_TASKS: Final = 10_000

Row = dict[str, object]


class Actor:
    """A worker in an actor, as Ray Data calls it."""

    def __init__(self, work: Work) -> None:
        self._worker = Worker(work)

    def __call__(self, row: Row) -> Row:
        block = row["item"]
        if not isinstance(block, Block):
            raise TypeError(f"a block of a job was expected, not {type(block).__name__}")
        return asdict(self._worker.do(block))


def on_ray(work: Work, blocks: Sequence[Block]) -> Iterator[Record]:
    """On the cluster that RAY_ADDRESS names, else on one of this machine."""
    if not ray.is_initialized():
        ray.init(address=os.environ.get("RAY_ADDRESS"), log_to_driver=False, include_dashboard=False)
    # The job has a bar of its own.
    ray.data.DataContext.get_current().enable_progress_bars = False
    cores = max(1, int(ray.cluster_resources().get("CPU", 1)))  # type: ignore[no-untyped-call]  # Ray types in part
    rows = ray.data.from_items(list(blocks), override_num_blocks=min(len(blocks), MOST_TASKS))
    done = rows.map(
        Actor,  # type: ignore[arg-type]  # a class is called once made, which its types do not say
        fn_constructor_args=(work,),
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=min(cores, len(blocks))),
        num_cpus=1,
    )
    for row in done.iter_rows():
        yield Record(**row)
