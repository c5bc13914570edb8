"""The canary: computes the golden rows of every served version again and again, and withholds one whose numbers drift.

A processor or a memory that fails can change numbers after the checks at the start. A version that computes wrong
numbers is withheld, and /readyz and the metrics tell it, until its numbers are right again.
"""

import asyncio
import logging
import math
from collections.abc import Mapping
from typing import Final

import numpy as np

from diffeo.bundle.golden import ROUNDED_TOLERANCE, Golden, Tensors
from diffeo.runtime.errors import EngineError

from ..model import Model
from .repository import REASON_CHARACTERS, Observation, Repository
from .scan import VersionKey

PERIOD_SECONDS: Final = 60.0
# Longer than the engine calls of other requests that a check waits for.
TIME_LIMIT_SECONDS: Final = 30.0
# A version may be this many times as far from its golden vectors as its certificate measured.
FACTOR: Final = 10.0
# Another processor rounds in another order, and a certificate of a simple flow measures less than that changes.
ROUNDING: Final = 1e-6
# Another device rounds otherwise than the one of the certificate. The first check of a version, just after its
# golden vectors agreed within the tolerance of the format, shows how.
FIRST_FACTOR: Final = 2.0

log = logging.getLogger("diffeo")


class Canary:
    """Observes the versions of one repository.

    Args:
        repository: its versions are observed, and withheld.
    """

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._limits: dict[tuple[VersionKey, str], tuple[Model, float]] = {}

    async def run(self) -> None:
        """Check until cancelled."""
        while True:
            try:
                await self.check()
            except Exception:
                # No failure of one check may end the checks.
                log.exception("the golden rows could not be checked")
            await asyncio.sleep(PERIOD_SECONDS)

    async def check(self) -> None:
        """Check every version once, one after the other."""
        models = {
            (name, version): entry
            for name, versions in self._repository.loaded.items()
            for version, entry in versions.items()
            if isinstance(entry, Model)
        }
        self._limits = {key: limit for key, limit in self._limits.items() if models.get(key[0]) is limit[0]}
        observations: dict[VersionKey, Observation] = {}
        for key, model in models.items():
            observations[key] = await self._observe(key, model)
        _log_changes(self._repository.withheld, observations)
        self._repository.observe(observations)

    async def _observe(self, key: VersionKey, model: Model) -> Observation:
        try:
            async with asyncio.timeout(TIME_LIMIT_SECONDS):
                errors = {each.precision: await _error(each) for each in (model, *model.variants.values())}
        except TimeoutError:
            # The health probe is about engines that do not compute; the canary is about wrong numbers.
            return Observation(model, math.nan, self._repository.withheld.get(key))
        except EngineError as failure:
            reason = f"its engine fails on its golden rows: {failure}"
            return Observation(model, math.nan, reason.partition("\n")[0][:REASON_CHARACTERS])
        for precision, error in errors.items():
            _, limit = self._limits.setdefault((key, precision), (model, _limit(model, error)))
            # Not `error > limit`, because NaN must fail too.
            if not error <= limit:
                reason = f"in {precision} it computes {error:.2e} away from its golden vectors; expected {limit:.0e}"
                return Observation(model, errors[model.precision], f"{reason} at most")
        return Observation(model, errors[model.precision], None)


def _limit(model: Model, first_error: float) -> float:
    figures = [check.value for check in model.manifest.certificate.checks if check.name == "parity"]
    by_first = min(FIRST_FACTOR * first_error, ROUNDED_TOLERANCE) if math.isfinite(first_error) else 0.0
    return max(FACTOR * max(ROUNDING, *figures), by_first)


def _log_changes(before: Mapping[VersionKey, str], after: Mapping[VersionKey, Observation]) -> None:
    for (name, version), seen in after.items():
        if (seen.reason is None) == ((name, version) not in before):
            continue
        if seen.reason is not None:
            log.error("withheld", extra={"model": name, "version": version, "reason": seen.reason})
        else:
            log.info("served again", extra={"model": name, "version": version})


async def _error(model: Model) -> float:
    """The largest error of the version."""
    golden = model.golden
    if golden is None:
        return 0.0
    forward = await model.forward.probe(golden.x.astype(model.manifest.dtype))
    inverse = await model.inverse.probe(golden.z.astype(np.float32))
    return max(_distance(forward, golden, 1), _distance(inverse, golden, -1))


def _distance(result: Tensors, golden: Golden, direction: int) -> float:
    expected = {
        "x": golden.x, "z": golden.z, "log_prob": golden.log_prob,
        "log_abs_det_jacobian": direction * golden.log_abs_det_jacobian,
    }  # fmt: skip
    # Relative to the larger of 1 and the golden value, as when the version was loaded.
    errors = [
        np.max(np.abs(values - expected[name]) / np.maximum(1, np.abs(expected[name])))
        for name, values in result.items()
    ]
    return float(np.max(errors))
