"""The builder for Ray Serve accepts our settings, and deploy/ray.yaml is valid in the schema of Ray Serve."""

from importlib import import_module
from pathlib import Path

import pytest
import yaml

from diffeo.service.errors import SettingsInvalid
from diffeo.service.settings import Settings
from tests.given.flows import affine

pytest.importorskip("ray", reason="ray is not installed: pip install 'diffeo[ray]'")

from ray.serve.schema import ServeDeploySchema

from diffeo.service.process import ray_app

FILE = Path(__file__).parents[3] / "deploy/ray.yaml"


def test_deploy_ray_yaml_is_valid_for_ray_serve() -> None:
    content = yaml.safe_load(FILE.read_text())
    config = ServeDeploySchema.model_validate(content)
    # The schema ignores unknown keys.
    assert content.keys() <= ServeDeploySchema.model_fields.keys()
    (application,) = config.applications
    module, _, builder = application.import_path.partition(":")
    assert getattr(import_module(module), builder) is ray_app.app
    assert [deployment.name for deployment in application.deployments] == [ray_app.NAME]
    assert application.args.keys() <= Settings.model_fields.keys()
    assert ray_app.app(application.args)


def test_an_unknown_or_wrong_setting_is_refused_when_the_application_is_built() -> None:
    with pytest.raises(SettingsInvalid, match="no setting is called modles"):
        ray_app.app({"modles": str(affine.DATA)})
    with pytest.raises(SettingsInvalid, match="DIFFEO_THREADS"):
        ray_app.app({"threads": "none"})
