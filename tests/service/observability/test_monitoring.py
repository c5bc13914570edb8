"""deploy/: every metric in the alert rules and the dashboard exists and changes when requests arrive."""

import asyncio
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from diffeo.bundle import npy
from diffeo.service.security.api_keys import KeyScope, new_key
from diffeo.service.settings import Settings
from tests.given.flows import affine
from tests.given.servers.asgi_app import App
from tests.given.servers.gated_service import SECONDS, GatedService
from tests.given.servers.metrics_scrape import Scrape

ROOT = Path(__file__).parents[3]
PROMETHEUS = ROOT / "deploy/prometheus"
RULES = (PROMETHEUS / "rules.yml").read_text()
DASHBOARD = (ROOT / "deploy/grafana/dashboards/diffeo.json").read_text()
PANELS = json.loads(DASHBOARD)["panels"]
DOCS = (ROOT / "docs/operations.md").read_text()
NAME = re.compile(r"\bdiffeo_[a-z_]+\b")
NAMED = sorted({*NAME.findall(RULES), *NAME.findall(DASHBOARD)})
BODIES = {
    "sample": {"num_samples": 4},
    "log_prob": {"x": [[1, 2], [None, 1], [3, 4]]},
    "transform": {"direction": "inverse", "z": [[1, 2]]},
}
SECRET, KEY = new_key("grafana", KeyScope.ADMIN)
HEADERS = {"x-api-key": SECRET}

promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")


@pytest.fixture(scope="module")
def before() -> Scrape:
    """Metrics of a service before its first request."""
    with App(Settings(models=affine.DATA, api_keys=KEY.line)) as app:
        return Scrape(app.get("/metrics", headers=HEADERS).text)


@pytest.fixture(scope="module")
def after(tmp_path_factory: pytest.TempPathFactory) -> Scrape:
    """Metrics after one request of each operation, a rejected request and a refused version, with rows in the queue."""
    models = tmp_path_factory.mktemp("models")
    for version in (1, 2):
        affine.copy_to(models, version=version)
    (affine.copy_to(models, version=3) / "forward.onnx").write_bytes(b"")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIFFEO_API_KEYS", KEY.line)
        service = GatedService(patch, models=models)
        service.gate.set()
        return asyncio.run(asyncio.wait_for(_scrape_after_each_operation(service), SECONDS))


async def _scrape_after_each_operation(service: GatedService) -> Scrape:
    async with service.client() as client:
        client.headers.update(HEADERS)
        for operation, body in BODIES.items():
            assert (await client.post(f"/{operation}", json=body)).status_code == 200
        assert (await client.post("/sample", json={"model": "none"})).status_code == 404
        await service.canary.check()
        service.gate.clear()
        rows, kind = npy.write(np.zeros((8, 2), np.float32)), {"content-type": "application/x-npy"}
        queued = asyncio.ensure_future(client.post("/log_prob", content=rows, headers=kind))
        for _ in range(40):
            await asyncio.sleep(0)
        found = Scrape((await client.get("/metrics")).text)
        service.gate.set()
        await queued
        return found


@pytest.mark.parametrize("name", NAMED)
def test_a_metric_of_the_rules_or_the_dashboard_exists_and_changes(name: str, before: Scrape, after: Scrape) -> None:
    # The canary exports nothing about a version that it has not checked yet.
    assert name in before.names or name == "diffeo_canary_error"
    assert name in after.changed_since(before)


def test_every_metric_is_in_the_dashboard_and_in_the_table_of_the_docs(after: Scrape) -> None:
    exported = {re.sub(r"_(bucket|sum|count|created)$", "", name) for name in after.names}
    assert {re.sub(r"_(bucket|sum|count)$", "", name) for name in NAME.findall(DASHBOARD)} == exported
    assert set(re.findall(r"^\| `(diffeo_[a-z_]+)`", DOCS, re.MULTILINE)) == exported


def test_every_alert_is_tested_and_in_the_table_of_the_docs() -> None:
    alerts = re.findall(r"alert: (\w+)", RULES)
    tests = (PROMETHEUS / "rules_test.yml").read_text()
    assert len(alerts) == len(set(alerts)) > 5
    for alert in alerts:
        assert tests.count(alert) == 2
    assert re.findall(r"^\| `(Diffeo\w+)`", DOCS, re.MULTILINE) == alerts


def test_the_labels_in_rules_and_panels_exist(after: Scrape) -> None:
    given = {label for _, labels in after.samples for label, _ in labels} | {"instance", "job", "le", "alertstate"}
    queries = [target["expr"] for panel in PANELS for target in panel["targets"]]
    for text in (RULES, *queries):
        for group in re.findall(r"by \(([^)]*)\)", text):
            assert {label.strip() for label in group.split(",")} <= given
        for selector in re.findall(r"\{([^{}]*=[^{}]*)\}", text):
            assert set(re.findall(r"(\w+)\s*[=!]", selector)) <= given


def test_no_two_panels_of_the_dashboard_overlap_or_share_an_id() -> None:
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    cells = [
        (x, y)
        for position in (panel["gridPos"] for panel in PANELS)
        for x in range(position["x"], position["x"] + position["w"])
        for y in range(position["y"], position["y"] + position["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24


def test_the_dashboard_queries_the_data_source_that_is_provisioned() -> None:
    source = (ROOT / "deploy/grafana/provisioning/datasources/prometheus.yml").read_text()
    assert set(re.findall(r'"uid": "(\w+)"', DASHBOARD)) == {"diffeo", *re.findall(r"uid: (\w+)", source)}


@promtool
@pytest.mark.parametrize(
    "command",
    [("check", "config", "prometheus.yml"), ("check", "rules", "rules.yml"), ("test", "rules", "rules_test.yml")],
)
def test_promtool_accepts(command: tuple[str, str, str]) -> None:
    done = subprocess.run(["promtool", *command], cwd=PROMETHEUS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@promtool
def test_promtool_reports_no_problem_in_a_scrape(app: App) -> None:
    app.post("/sample")
    text = app.get("/metrics").text
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
