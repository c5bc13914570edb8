"""What Ray Serve is told: a builder that knows our settings, and deploy/ray.yaml in the words of its schema."""

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

FILE = Path(__file__).parents[2] / "deploy/ray.yaml"


def test_the_file_is_what_ray_serve_understands() -> None:
    content = yaml.safe_load(FILE.read_text())
    config = ServeDeploySchema.model_validate(content)
    # The schema lets pass what it does not know.
    assert content.keys() <= ServeDeploySchema.model_fields.keys()
    (application,) = config.applications
    module, _, builder = application.import_path.partition(":")
    assert getattr(import_module(module), builder) is ray_app.app
    assert [deployment.name for deployment in application.deployments] == [ray_app.NAME]
    assert application.args.keys() <= Settings.model_fields.keys()
    assert ray_app.app(application.args)


def test_what_is_no_setting_is_refused_when_the_application_is_built() -> None:
    with pytest.raises(SettingsInvalid, match="no setting is called modles"):
        ray_app.app({"modles": str(affine.DATA)})
    with pytest.raises(SettingsInvalid, match="DIFFEO_THREADS"):
        ray_app.app({"threads": "none"})
