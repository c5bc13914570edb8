"""The service does not import torch or anything else that only training needs."""

import subprocess
import sys

from tests.given.flows import affine

PROGRAM = """
import sys
from pathlib import Path
from diffeo.service.app import create_app
from diffeo.service.settings import Settings
create_app(Settings(models=Path(sys.argv[1])))
absent = {"torch", "onnx", "onnxscript", "sklearn", "matplotlib", "pyarrow", "diffeo.training", "opentelemetry.sdk"}
print(*sorted(absent & set(sys.modules)))
"""


def test_a_fresh_process_loads_models_without_the_packages_of_training() -> None:
    command = [sys.executable, "-c", PROGRAM, str(affine.DATA)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == ""


def test_importing_the_service_reads_no_settings_and_starts_nothing() -> None:
    program = "import threading, diffeo.service.app, diffeo.service.process.server; print(threading.active_count())"
    environment = {"DIFFEO_PORT": "not a port", "DIFFEO_MODELS": "/nowhere"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"
