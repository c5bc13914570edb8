"""Prints the costs that follow from the measurements, as they should stand in costs.toml.

`python -m benchmarks.scale.costs` reads benchmarks/results/serving.json and benchmarks/results/scale.json.
"""

import argparse
import sys
from typing import Final

from benchmarks.scale.costs.job_measurements import JobMeasurements
from benchmarks.scale.costs.serving_measurements import GRAPH, ServingMeasurements

CHUNK_ROWS: Final = 1024


def main() -> None:
    """Fit the costs and print them as TOML."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    serving = ServingMeasurements()
    c, a, p_plus_b = serving.fit()
    b = {graph: serving.row_seconds(graph) for graph in ("flow64", "flow512")}
    json_1024, npy_1024 = (serving.load("diffeo", f"{name} 1024x8").cpu_seconds for name in ("json", "npy"))
    json_p = p_plus_b - b[GRAPH]
    npy_p = json_p - (json_1024 - npy_1024) / CHUNK_ROWS
    lines = [
        "[replica]",
        f"request_seconds = {c * 1e6:.0f}e-6",
        f"turn_seconds = {a * 1e6:.0f}e-6",
        f"memory_bytes = {serving.memory_bytes() / 1e6:.0f}e6",
        "[replica.read_seconds_per_row]",
        f"json = {json_p * 1e6:.2f}e-6",
        f"npy = {npy_p * 1e6:.2f}e-6",
        "[replica.row_seconds]",
        *(f"{graph} = {seconds * 1e6:.4g}e-6" for graph, seconds in b.items()),
        "[bulk]",
        f"read_seconds_per_row = {JobMeasurements().read_seconds_per_row * 1e6:.2f}e-6",
    ]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
