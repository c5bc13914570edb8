"""Every base obeys every law: torch, graphs and NumPy have one density. A new base is one new line in BASES."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from diffeo.bundle import npy
from diffeo.bundle.errors import BaseInvalid, BundleError
from diffeo.bundle.manifest import BASE_NAME, FileName
from diffeo.bundle.read import read
from diffeo.bundle.write import BundleContent, content_of, publish
from diffeo.local.model import open_bundle
from diffeo.training.errors import CertificateError
from diffeo.training.flows.affine import AffineCouplingSpec
from diffeo.training.flows.architecture import Architecture, flow_from_bytes, flow_to_bytes
from diffeo.training.flows.base.base_density import BaseDensity
from diffeo.training.flows.base.gaussian_mixture import GaussianMixture
from diffeo.training.flows.base.standard_normal import StandardNormal
from diffeo.training.flows.flow import Flow
from diffeo.training.publication import graphs
from tests.given.flows import affine

COMPONENTS = 6


def mixture(dimension: int) -> GaussianMixture:
    """Narrow components with different covariances."""
    generator = torch.Generator().manual_seed(dimension)
    factors = 0.05 * torch.randn(COMPONENTS, dimension, dimension, generator=generator) + 0.1 * torch.eye(dimension)
    return GaussianMixture.started(
        torch.softmax(torch.randn(COMPONENTS, generator=generator), 0),
        torch.randn(COMPONENTS, dimension, generator=generator),
        factors @ factors.transpose(1, 2) + 1e-3 * torch.eye(dimension),
    )


BASES: dict[str, Callable[[int], BaseDensity]] = {
    "standard normal": lambda _: StandardNormal(),
    "mixture of Gaussians": mixture,
}
INSTANCES = [(name, dimension) for name in BASES for dimension in (1, 2, 5)]


@pytest.fixture(params=INSTANCES, ids=lambda instance: f"{instance[0]}, {instance[1]}")
def instance(request: pytest.FixtureRequest) -> tuple[BaseDensity, int]:
    name, dimension = request.param
    return BASES[name](dimension), dimension


def flow_over(base: BaseDensity, dimension: int) -> tuple[Flow, Architecture]:
    components = COMPONENTS if isinstance(base, GaussianMixture) else 0
    architecture = Architecture(dimension, 2, 8, 1, AffineCouplingSpec(), linear="first", components=components)
    torch.manual_seed(0)
    flow = architecture.build(torch.full((dimension,), 3.0), torch.full((dimension,), 2.0))
    flow.base = base
    return flow, architecture


def test_torch_and_numpy_have_one_density(instance: tuple[BaseDensity, int]) -> None:
    base, dimension = instance
    distribution = base.distribution(dimension)
    z = torch.from_numpy(distribution.draw(1, 0, 500)).double()
    expected = distribution.log_prob(z.numpy())
    np.testing.assert_allclose(base.double().log_prob(z).detach().numpy(), expected, rtol=1e-9, atol=1e-9)


def test_a_frozen_base_has_the_same_density_in_float32(instance: tuple[BaseDensity, int]) -> None:
    base, dimension = instance
    distribution = base.distribution(dimension)
    z = distribution.draw(1, 0, 500)
    got = base.frozen().log_prob(torch.from_numpy(z))
    assert got.dtype == torch.float32
    np.testing.assert_allclose(got.detach().numpy(), distribution.log_prob(z), rtol=2e-6, atol=2e-6)


def test_numbers_and_gradients_are_finite_far_out(instance: tuple[BaseDensity, int]) -> None:
    base, dimension = instance
    z = torch.full((3, dimension), 1e6).requires_grad_()
    value = base.log_prob(z)
    (gradient,) = torch.autograd.grad(value.sum(), z)
    assert torch.isfinite(value).all()
    assert torch.isfinite(gradient).all()


def test_the_density_has_the_mass_one() -> None:
    z = torch.linspace(-12, 12, 200_001, dtype=torch.float64)[:, None]
    for base in (base(1) for base in BASES.values()):
        mass = torch.trapezoid(base.double().log_prob(z).detach().exp(), z[:, 0])
        assert float(mass) == pytest.approx(1, abs=1e-9)


def test_a_file_holds_the_same_flow(instance: tuple[BaseDensity, int]) -> None:
    flow, architecture = flow_over(*instance)
    x = torch.randn(50, architecture.dimension)
    again = flow_from_bytes(flow_to_bytes(flow, architecture))
    torch.testing.assert_close(again.log_prob(x), flow.log_prob(x), rtol=0, atol=0)


def test_a_published_flow_draws_from_its_base(instance: tuple[BaseDensity, int], tmp_path: Path) -> None:
    flow, architecture = flow_over(*instance)
    dimension = architecture.dimension
    rows = 3 + 2 * np.random.default_rng(0).standard_normal((400, dimension))
    subject, certificate = graphs.certified(architecture, "float32", flow, rows)
    source = content_of(read(affine.PATH))
    columns = tuple(f"x{column}" for column in range(dimension))
    content = BundleContent(
        columns, "float32", "float32", subject.files, certificate, source.calibration, source.provenance
    )
    bundle = publish(content, tmp_path / "m")
    assert (BASE_NAME in bundle.files) == isinstance(flow.base, GaussianMixture)
    model = open_bundle(bundle.path, "m", 1)
    distribution = flow.base.distribution(dimension)
    drawn = model.sample_and_log_prob(300, seed=4)
    with torch.no_grad():
        x = flow.inverse(torch.from_numpy(distribution.draw(4, 0, 300)))[0].numpy()
        nats = flow.log_prob(torch.from_numpy(drawn[0])).numpy()
    np.testing.assert_allclose(drawn[0], x, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(drawn[1], nats, rtol=1e-3, atol=1e-3)


def test_a_base_that_a_service_refuses_is_not_certified() -> None:
    narrow = GaussianMixture.started(torch.ones(1), torch.zeros(1, 2), 1e-14 * torch.eye(2, dtype=torch.float64)[None])
    flow, architecture = flow_over(narrow, 2)
    with pytest.raises(CertificateError):
        graphs.certified(architecture, "float32", flow, np.random.default_rng(0).standard_normal((400, 2)))


def test_a_bundle_whose_base_is_damaged_or_missing_is_refused(tmp_path: Path) -> None:
    flow, architecture = flow_over(mixture(2), 2)
    subject, certificate = graphs.certified(
        architecture, "float32", flow, 3 + 2 * np.random.default_rng(0).standard_normal((400, 2))
    )
    source = content_of(read(affine.PATH))
    provenance = source.provenance

    def content(files: dict[FileName, bytes]) -> BundleContent:
        return BundleContent(("a", "b"), "float32", "float32", files, certificate, None, provenance)

    files = dict(subject.files)
    table = npy.read(files[BASE_NAME]).copy()
    table[0, 0] *= 2
    with pytest.raises(BaseInvalid):
        publish(content({**files, BASE_NAME: npy.write(table)}), tmp_path / "m")
    # Another mixture than that of the graphs.
    table = npy.read(files[BASE_NAME]).copy()
    table[:, 1] += 0.5
    with pytest.raises(BundleError):
        publish(content({**files, BASE_NAME: npy.write(table)}), tmp_path / "m")
    del files[BASE_NAME]
    with pytest.raises(BundleError):
        publish(content(files), tmp_path / "m")
    assert not [entry for entry in (tmp_path / "m").iterdir() if not entry.name.startswith(".")]
