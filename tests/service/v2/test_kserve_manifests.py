"""The manifests in deploy/kserve start the service correctly and probe paths that it answers."""

import subprocess
from pathlib import Path

import pytest
import yaml

from diffeo.bundle.manifest import FORMAT
from diffeo.service.settings import read_settings
from tests.given.flows import affine
from tests.given.servers.asgi_app import App

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "deploy/kserve"
# The published models of the resources come with kserve, which has a separate environment.
KSERVE = ROOT / "runs/clients/bin/python"
RUNTIME = yaml.safe_load((FOLDER / "serving-runtime.yaml").read_text(encoding="utf-8"))
SERVICE = yaml.safe_load((FOLDER / "inference-service.yaml").read_text(encoding="utf-8"))
(CONTAINER,) = RUNTIME["spec"]["containers"]


def test_the_container_has_the_name_that_kserve_expects_and_starts_the_server() -> None:
    assert CONTAINER["name"] == "kserve-container"
    assert CONTAINER["args"] == ["serve"]


def test_its_variables_are_settings_and_its_ports_are_the_port_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in CONTAINER["env"]:
        monkeypatch.setenv(variable["name"], variable["value"])
    settings = read_settings({})
    for variable in CONTAINER["env"]:
        name = variable["name"].removeprefix("DIFFEO_").lower()
        assert str(getattr(settings, name)) == variable["value"]
    probes = [CONTAINER[probe]["httpGet"]["port"] for probe in ("readinessProbe", "livenessProbe")]
    annotated = int(RUNTIME["spec"]["annotations"]["prometheus.kserve.io/port"])
    assert {settings.port} == {CONTAINER["ports"][0]["containerPort"], annotated, *probes}
    # The storage initializer of kserve copies the folder of storageUri to this path.
    assert settings.models == Path("/mnt/models")


@pytest.mark.parametrize("probe", ["readinessProbe", "livenessProbe"])
def test_the_service_answers_every_path_that_the_container_probes(app: App, probe: str) -> None:
    assert app.get(CONTAINER[probe]["httpGet"]["path"]).status_code == 200


def test_the_inference_service_names_the_runtime_and_the_format_of_the_other_manifest() -> None:
    model = SERVICE["spec"]["predictor"]["model"]
    (offered,) = RUNTIME["spec"]["supportedModelFormats"]
    assert model["runtime"] == RUNTIME["metadata"]["name"]
    assert model["modelFormat"] == {"name": offered["name"], "version": offered["version"]}
    assert f"{offered['name']}/{offered['version']}" == FORMAT
    assert [model["protocolVersion"]] == RUNTIME["spec"]["protocolVersions"]


def test_a_folder_from_the_storage_initializer_is_served(tmp_path: Path) -> None:
    affine.copy_to(tmp_path, "moons")
    with App(read_settings({"models": tmp_path})) as app:
        assert app.get("/v2/models/moons.inverse/ready").status_code == 200


@pytest.mark.skipif(not KSERVE.exists(), reason="kserve is not installed; make clients installs it")
def test_the_manifests_are_valid_for_the_resource_models_of_kserve() -> None:
    command = [str(KSERVE), str(ROOT / "tests/clients/manifests.py"), *map(str, sorted(FOLDER.glob("*.yaml")))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
