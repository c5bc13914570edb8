"""A run fits, certifies and publishes; it refuses graphs out of tolerance and resumes after an interruption."""

import json
import os
import signal
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from diffeo.bundle.calibration_sample import MOST_ROWS
from diffeo.bundle.read import read
from diffeo.bundle.tolerances import TOLERANCES, VARIANT_TOLERANCES
from diffeo.bundle.write import content_of, write
from diffeo.cli.main import main
from diffeo.training import recipe, run
from diffeo.training.errors import CertificateError, DeviceError, NothingToRound, ResumeError
from diffeo.training.flows.affine import AffineCouplingSpec
from diffeo.training.flows.architecture import Architecture
from diffeo.training.publication import graphs
from diffeo.training.publication.result import Report
from diffeo.training.source import Dataset
from diffeo.training.split import split_rows
from tests.given.servers.server_process import DIFFEO

ROWS = 800


def table(path: Path, offset: float = 0.0) -> Path:
    rows = np.random.default_rng(1).standard_normal((ROWS, 3)) @ np.array([[1, 0.5, 0], [0, 1, 0.2], [0, 0, 0.3]])
    rows[:, 2] += rows[:, 0] ** 2  # a bend that no Gaussian has
    np.savetxt(path, rows + offset, delimiter=",", header="a,b,c", comments="", fmt="%.7f")
    return path


def small(data: Path, epochs: int = 2, hidden: int = 8, **fit: object) -> recipe.Recipe:
    content: dict[str, object] = {
        "name": "small",
        "data": {"file": str(data)},
        "flow": {"layers": 2, "hidden": hidden},
        "fit": {"epochs": epochs, "batch": 64, "learning_rate": 1e-3, **fit},
    }
    return recipe.parse(content, "small.toml")


def options(folder: Path, *, resume: bool = False, int8: bool = False, threads: int | None = None) -> run.Options:
    return run.Options(folder / "models", folder / "runs", "cpu", resume=resume, int8=int8, threads=threads)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    folder = tmp_path_factory.mktemp("run")
    return run.run(small(table(folder / "rows.csv")), options(folder))


def test_the_manifest_holds_recipe_data_and_versions(report: Report) -> None:
    provenance = report.bundle.manifest.provenance
    assert report.bundle.manifest.columns == ("a", "b", "c")
    assert provenance.recipe["data.file"] == "rows.csv"
    assert provenance.data_rows == ROWS
    assert provenance.test_rows == ROWS // 10
    assert provenance.versions["torch"] == "2.13.0"
    assert provenance.test_nll == report.test_nll
    assert provenance.kl_to_truth is None


def test_the_calibration_holds_the_quantiles_of_the_test_rows(report: Report) -> None:
    calibration = report.bundle.manifest.calibration
    assert calibration is not None
    assert calibration.rows == ROWS // 10
    assert list(calibration.log_prob) == sorted(calibration.log_prob)


def test_the_calibration_sample_holds_each_test_row_and_samples(report: Report) -> None:
    calibration, sample = report.bundle.manifest.calibration, report.bundle.calibration_sample
    assert calibration is not None
    assert sample is not None
    assert len(sample.held_out) == ROWS // 10
    assert (sample.held_out[0], sample.held_out[-1]) == (calibration.log_prob[0], calibration.log_prob[-1])
    assert len(sample.samples) == MOST_ROWS
    # Samples and held-out rows of a fitted model lie in the same range.
    assert abs(np.median(sample.samples) - np.median(sample.held_out)) < 1


def test_the_bundle_holds_no_local_paths(report: Report) -> None:
    local_paths = [str(report.bundle.path.parents[2]).encode(), str(Path(run.__file__).parent).encode()]
    for file in report.bundle.path.iterdir():
        assert not any(path in file.read_bytes() for path in local_paths), file.name


def test_a_flow_of_three_columns_has_no_plots_of_the_plane(report: Report) -> None:
    files = sorted(file.name for file in report.folder.iterdir())
    assert files == ["loss.csv", "loss.png", "report.html", "table.json"]


def test_a_second_run_is_the_next_version_with_the_same_graphs(report: Report) -> None:
    folder = report.bundle.path.parents[2]
    again = run.run(small(folder / "rows.csv"), options(folder))
    assert again.bundle.path.name == "2"
    assert again.bundle.files["forward.onnx"] == report.bundle.files["forward.onnx"]


def test_a_column_far_from_zero_is_served_in_float64(tmp_path: Path) -> None:
    report = run.run(small(table(tmp_path / "rows.csv", offset=1e6)), options(tmp_path))
    assert report.bundle.manifest.dtype == "float64"


def test_a_graph_out_of_tolerance_publishes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("diffeo.training.certification.certificate.TOLERANCES", dict.fromkeys(TOLERANCES, 0.0))
    with pytest.raises(CertificateError, match=r"parity .* worst row \["):
        run.run(small(table(tmp_path / "rows.csv")), options(tmp_path))
    assert not (tmp_path / "models").exists()


def test_a_flow_too_steep_for_float32_is_computed_in_float64() -> None:
    torch.manual_seed(0)
    architecture = Architecture(2, 6, 32, 2, AffineCouplingSpec(limit=3.0))
    flow = architecture.build(torch.zeros(2), torch.ones(2), sharpness=6.0)
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    rows = flow.inverse(torch.randn(500, 2))[0].detach().double().numpy()
    subject, certificate = graphs.certified(architecture, "float32", flow, rows)
    assert subject.precision == "float64"
    assert all(check.holds for check in certificate.checks)


def test_cuda_that_is_absent_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    with pytest.raises(DeviceError, match="--device cuda"):
        run.run(small(tmp_path / "absent.csv"), run.Options(tmp_path, tmp_path, "cuda"))


def test_a_run_resumes_only_with_its_own_data(tmp_path: Path) -> None:
    run.run(small(table(tmp_path / "rows.csv")), options(tmp_path))
    table(tmp_path / "rows.csv", offset=1.0)
    with pytest.raises(ResumeError, match="other data"):
        run.run(small(tmp_path / "rows.csv"), options(tmp_path, resume=True))


@pytest.mark.parametrize("deadly", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "kill -9"])
def test_an_interrupted_fit_resumes_to_the_same_bundle(tmp_path: Path, deadly: signal.Signals) -> None:
    text = (
        'name = "small"\n[data]\nfile = "rows.csv"\n[flow]\nlayers = 2\nhidden = 8\n'
        "[fit]\nepochs = 60\nbatch = 16\nlearning_rate = 1e-3\n"
    )
    table(tmp_path / "rows.csv")
    (tmp_path / "small.toml").write_text(text)
    state = tmp_path / "runs/small/state.safetensors"
    command = [DIFFEO, "fit", str(tmp_path / "small.toml"), "--device", "cpu"]
    fitting = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    _wait_for(lambda: state.exists() or fitting.poll() is not None)
    printed = _stop(fitting, deadly)
    assert fitting.returncode == (130 if deadly == signal.SIGINT else -signal.SIGKILL)
    assert (b"--resume" in printed) is (deadly == signal.SIGINT)
    assert not (tmp_path / "models").exists()

    whole = tmp_path / "whole"
    arguments = ["fit", str(tmp_path / "small.toml"), "--device", "cpu", "--models"]
    assert main([*arguments, str(tmp_path / "models"), "--runs", str(tmp_path / "runs"), "--resume"]) == 0
    assert main([*arguments, str(whole / "models"), "--runs", str(whole / "runs")]) == 0
    resumed, unbroken = (read(folder / "models/small/1") for folder in (tmp_path, whole))
    assert resumed.files["flow.safetensors"] == unbroken.files["flow.safetensors"]


def test_every_command_that_an_interrupted_fit_prints_works_as_typed(tmp_path: Path) -> None:
    table(tmp_path / "my rows.csv")
    state = tmp_path / "runs/small/0/state.safetensors"  # of the first of several flows
    # A best evaluation comes first after 50 steps; the fit is far from its end then.
    environment = {**os.environ, "PATH": "/usr/bin:/bin"}  # so that the shell finds the program by its path alone
    typed = [DIFFEO, "fit", "my rows.csv", "--name=small", "--device", "cpu", "--threads", "1", "--budget", "90s"]
    fitting = subprocess.Popen(typed, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    _wait_for(lambda: state.exists() or fitting.poll() is not None)
    printed = _stop(fitting, signal.SIGINT).decode().splitlines()
    assert fitting.returncode == 130
    continued, published = (line.partition(": ")[2] for line in printed[-2:])
    for command, flags in ((continued, "--resume"), (published, "--resume --publish-best")):
        assert command == f"{DIFFEO} fit 'my rows.csv' --name=small --device cpu --threads 1 --budget 90s {flags}"

    place = {"shell": True, "cwd": tmp_path, "env": environment}
    done = subprocess.run(published, **place, capture_output=True, text=True, check=True)  # type: ignore[call-overload]
    assert "publishes the weights of step" in done.stderr
    assert read(tmp_path / "models/small/1").manifest.columns == ("a", "b", "c")

    going_on = subprocess.Popen(continued, **place, stderr=subprocess.PIPE, process_group=0)  # type: ignore[call-overload]
    first_line = going_on.stderr.readline()
    os.killpg(going_on.pid, signal.SIGKILL)
    going_on.communicate()
    assert b"continues after step " in first_line


def test_a_gaussian_is_published_where_the_fit_does_not_beat_it(tmp_path: Path) -> None:
    table(tmp_path / "rows.csv")
    # One step at this rate changes nothing, so the fitted flow is independent Gaussians.
    still = small(tmp_path / "rows.csv", epochs=1, learning_rate=1e-12)
    report = run.run(still, options(tmp_path))
    assert "published: one Gaussian" in str(report)
    assert json.loads(_header(report.bundle.files["flow.safetensors"]))["layers"] == 0
    gaussian, _ = report.quality.baselines
    assert report.test_nll == pytest.approx(gaussian.nll, abs=1e-3)
    learned = run.run(small(tmp_path / "rows.csv", epochs=60), options(tmp_path))
    assert "published: the fitted flow" in str(learned)
    assert learned.test_nll < report.test_nll - 0.1


def test_the_best_of_several_flows_is_published(tmp_path: Path) -> None:
    one = small(table(tmp_path / "rows.csv"), epochs=20, learning_rate=5e-3)
    shape = one.model_dump(by_alias=False)["flow"]
    spline = shape | {"residual": True, "dropout": "auto", "components": "auto"}
    spline = {key: value for key, value in spline.items() if key not in {"limit", "block", "det"}}
    several = recipe.parse(
        one.model_dump(by_alias=False)
        | {
            "alternative": [
                spline | {"transform": {"name": "spline_coupling"}},
                shape | {"layers": 0, "linear": "first"},
            ]
        },
        "several",
    )
    every_flow_goes_on = 6  # threads
    report = run.run(several, options(tmp_path, threads=every_flow_goes_on))
    assert "2 affine couplings" in report.choice
    assert "2 spline couplings" in report.choice
    assert report.bundle.manifest.provenance.recipe["alternative.0.transform.name"] == "spline_coupling"
    assert sorted(folder.name for folder in (tmp_path / "runs/small").iterdir()) == ["0", "1", "2"]
    again = run.run(several, options(tmp_path, resume=True, threads=every_flow_goes_on))
    assert again.bundle.files["flow.safetensors"] == report.bundle.files["flow.safetensors"]


def test_flows_with_the_same_words_are_told_apart(tmp_path: Path) -> None:
    one = small(table(tmp_path / "rows.csv"))
    content = one.model_dump(by_alias=False)
    twins = recipe.parse(content | {"alternative": [content["flow"] | {"sharpness": 2.0}]}, "twins")
    report = run.run(twins, options(tmp_path, threads=4))
    assert "2 affine couplings " in report.choice
    assert "2 affine couplings (2) " in report.choice


def test_a_flow_that_cannot_be_certified_gives_way_to_the_gaussian(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def certified(architecture: Architecture, *rest: object) -> object:
        if architecture.layers:
            raise CertificateError("parity is 1")
        return right(architecture, *rest)  # type: ignore[arg-type]

    right = graphs.certified
    monkeypatch.setattr(graphs, "certified", certified)
    report = run.run(small(table(tmp_path / "rows.csv"), epochs=60), options(tmp_path))
    assert "published: one Gaussian" in str(report)
    assert "the fitted flow cannot be certified (parity is 1); the next best flow is tried" in capsys.readouterr().err


def _header(content: bytes) -> str:
    length = int.from_bytes(content[:8], "little")
    architecture: str = json.loads(content[8 : 8 + length])["__metadata__"]["architecture"]
    return architecture


def test_weights_shape_the_fit_the_loss_and_the_calibration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.random.default_rng(1).standard_normal((ROWS, 3))
    rows[::2] += 100.0
    far = np.arange(ROWS) % 2 == 0

    def load(weights: np.ndarray[tuple[int], np.dtype[np.float64]] | None) -> Dataset:
        return Dataset(("a", "b", "c"), split_rows(rows, 0, weights), ROWS, "0" * 64, None)

    monkeypatch.setattr("diffeo.training.source.load", lambda *_: load(np.where(far, 0.0, 5.0)))
    report = run.run(small(tmp_path / "unused.csv"), options(tmp_path))
    gaussian = 1.5 * np.log(2 * np.pi * np.e)
    assert report.test_nll == pytest.approx(gaussian, abs=0.3)
    calibration = report.bundle.manifest.calibration
    assert calibration is not None
    assert calibration.log_prob[1] > -20  # the rows without weight lie far below
    monkeypatch.setattr("diffeo.training.source.load", lambda *_: load(None))
    with pytest.raises(ResumeError, match="other data"):
        run.run(small(tmp_path / "unused.csv"), options(tmp_path, resume=True))


def _stop(process: subprocess.Popen[bytes], deadly: signal.Signals) -> bytes:
    """Send the signal; returns what the process printed."""
    os.kill(process.pid, deadly)
    try:
        return process.communicate(timeout=10)[1]
    except subprocess.TimeoutExpired:
        # Python ignores a Ctrl-C that arrives inside a destructor, so it is sent again.
        os.kill(process.pid, deadly)
        return process.communicate()[1]


def _wait_for(condition: Callable[[], bool]) -> None:
    # Polling is the only way to notice that another process wrote its first state.
    for _ in range(6000):
        if condition():
            return
        signal.sigtimedwait([], 0.01)
    raise TimeoutError("the fit wrote no state")


def test_certify_measures_a_published_bundle_again(report: Report, capsys: pytest.CaptureFixture[str]) -> None:
    path = report.bundle.path
    assert main(["certify", str(path)]) == 0
    assert "parity" in capsys.readouterr().out
    assert main(["certify", str(path), "--publish"]) == 0
    published = Path(capsys.readouterr().out.split()[-1])
    assert json.loads((published / "manifest.json").read_bytes())["certificate"]["checks"]
    assert read(published).files == report.bundle.files


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """models/small/1, with the variant int8."""
    folder = tmp_path_factory.mktemp("wide")
    report = run.run(small(table(folder / "rows.csv"), epochs=20, hidden=256), options(folder, int8=True))
    assert "int8: delta_log_prob_mean" in str(report)
    return report.bundle.path


def test_a_fit_in_int8_publishes_both_precisions_each_with_its_certificate(wide: Path) -> None:
    bundle = read(wide)
    checks = {check.name: check for check in bundle.manifest.variants["int8"].certificate.checks}
    assert 0 < checks["delta_log_prob_mean"].value < 0.01
    assert b"MatMulInteger" in bundle.files["forward.int8.onnx"]
    assert b"MatMulInteger" not in bundle.files["forward.onnx"]


def test_certify_measures_both_precisions_and_makes_the_same_graphs_again(
    wide: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["certify", str(wide)]) == 0
    printed = capsys.readouterr().out
    assert printed.index("parity") < printed.index("int8:") < printed.index("delta_log_prob_mean")
    assert main(["certify", str(wide), "--int8", "--publish"]) == 0
    again = read(Path(capsys.readouterr().out.split()[-1]))
    assert {name: again.files[name] for name in ("forward.int8.onnx", "inverse.int8.onnx")} == {
        name: read(wide).files[name] for name in ("forward.int8.onnx", "inverse.int8.onnx")
    }


def test_certify_adds_the_variant_to_a_bundle_without_it(
    wide: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = content_of(read(wide))
    files = {name: content for name, content in whole.files.items() if "int8" not in name}
    plain = write(replace(whole, files=files, variants={}), tmp_path / "1").path
    assert main(["certify", str(plain), "--int8"]) == 0
    assert "published" not in capsys.readouterr().out
    assert main(["certify", str(plain), "--int8", "--publish"]) == 0
    assert "int8" in read(tmp_path / "2").manifest.variants
    assert "int8" not in read(plain).manifest.variants


def test_int8_is_left_out_where_one_gaussian_is_published(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    still = small(table(tmp_path / "rows.csv"), epochs=1, hidden=256, learning_rate=1e-12)
    report = run.run(still, options(tmp_path, int8=True))
    assert "published: one Gaussian" in str(report)
    assert not report.bundle.manifest.variants
    assert "--int8 is left out: one Gaussian is published, and it has no wide hidden layers" in capsys.readouterr().err


def test_int8_out_of_tolerance_publishes_nothing(
    wide: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(wide.parent.iterdir())
    monkeypatch.setattr("diffeo.training.int8.variant.TOLERANCES", {**VARIANT_TOLERANCES, "delta_log_prob_mean": 0.0})
    assert main(["certify", str(wide), "--int8", "--publish"]) == 1
    assert "in int8 delta_log_prob_mean is " in capsys.readouterr().err
    assert sorted(wide.parent.iterdir()) == before


def test_int8_for_a_narrow_flow_is_refused_before_it_is_fitted(tmp_path: Path) -> None:
    with pytest.raises(NothingToRound, match="hidden layers of 8 units"):
        run.run(small(table(tmp_path / "rows.csv")), options(tmp_path, int8=True))
    assert not (tmp_path / "runs").exists()


def test_certify_with_int8_explains_why_a_narrow_bundle_is_refused(
    report: Report, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["certify", str(report.bundle.path), "--int8"]) == 1
    assert capsys.readouterr().err.startswith("diffeo certify: int8 needs hidden layers of 256 units or more")
