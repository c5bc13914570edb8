"""The runtime, the local model and bulk jobs run without the service: it is not even imported."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "modules",
    [
        "diffeo.runtime.engines.onnx, diffeo.runtime.finite_rows",
        "diffeo.local.model, diffeo.local.cache",
        "diffeo.bulk.job",
    ],
)
def test_a_fresh_process_imports_it_without_the_service(modules: str) -> None:
    program = f"import sys, {modules}; print(*(name for name in sys.modules if name.startswith('diffeo.service')))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
