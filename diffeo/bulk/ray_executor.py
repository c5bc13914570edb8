"""An executor on Ray Data, with one actor and one model per core; the only file of `diffeo` that imports Ray."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Final

import ray

from .block import Block, BlockRecord
from .worker import Worker, WorkerSpec

# Ray keeps track of each of its own blocks. A job with more blocks than this puts several into one block of Ray.
MOST_RAY_BLOCKS: Final = 10_000

Row = dict[str, object]


class BlockActor:
    """A worker as Ray Data calls it: one row in, one row out."""

    def __init__(self, spec: WorkerSpec) -> None:
        self._worker = Worker(spec)

    def __call__(self, row: Row) -> Row:
        block = row["item"]
        if not isinstance(block, Block):
            raise TypeError(f"expected a Block from Ray, got {type(block).__name__}")
        return asdict(self._worker.compute_block(block))


def on_ray(spec: WorkerSpec, blocks: Sequence[Block]) -> Iterator[BlockRecord]:
    """Computes blocks on the cluster that RAY_ADDRESS names; without RAY_ADDRESS it starts Ray on this machine."""
    if not ray.is_initialized():
        ray.init(address=os.environ.get("RAY_ADDRESS"), log_to_driver=False, include_dashboard=False)
    # The job shows its own progress bar.
    ray.data.DataContext.get_current().enable_progress_bars = False
    cores = max(1, int(ray.cluster_resources().get("CPU", 1)))  # type: ignore[no-untyped-call]  # Ray is typed in part
    rows = ray.data.from_items(list(blocks), override_num_blocks=min(len(blocks), MOST_RAY_BLOCKS))
    records = rows.map(
        BlockActor,  # type: ignore[arg-type]  # Ray's types do not allow a class, its documentation does
        fn_constructor_args=(spec,),
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=min(cores, len(blocks))),
        num_cpus=1,
    )
    for record in records.iter_rows():
        yield BlockRecord(**record)
