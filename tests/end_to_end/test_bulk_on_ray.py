"""On a Ray cluster of two nodes a job writes the bytes that one process writes."""

from collections.abc import Iterator
from pathlib import Path

import jobs
import pytest

from diffeo.bulk import crew, job
from diffeo.bulk.place import locate
from diffeo.bulk.run import run
from diffeo.density import Draw

ray = pytest.importorskip("ray", reason="Ray is an extra: pip install 'diffeo[ray]'")


@pytest.fixture(scope="module")
def _nodes() -> Iterator[None]:
    from ray.cluster_utils import Cluster  # noqa: PLC0415  (skipped where it is not)

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False)
    yield
    ray.shutdown()
    cluster.shutdown()


@pytest.mark.usefixtures("_nodes")
def test_two_nodes_write_the_bytes_of_one_process(tmp_path: Path) -> None:
    from diffeo.bulk.ray_crew import on_ray  # noqa: PLC0415  (as above)

    file = jobs.save(tmp_path / "rows.parquet", jobs.table(jobs.rows(5000)))
    for name, asked in {
        "scored": job.score(jobs.MODEL, [str(file)], ("weight",), "parquet", 1000),
        "drawn": job.sample(jobs.MODEL, Draw(5000, 7), ("x",), "arrow", 1000),
    }.items():
        run(asked, locate(str(tmp_path / name / "one")), crew.alone)
        run(asked, locate(str(tmp_path / name / "ray")), on_ray)
        assert jobs.bytes_of(tmp_path / name / "ray") == jobs.bytes_of(tmp_path / name / "one")
