"""Whether requests are traced: the standard variables of OpenTelemetry ask for it, and nothing else does.

Without them nothing of OpenTelemetry is imported, and a request pays for one comparison.
"""

import logging
from collections.abc import Mapping
from typing import Final, Protocol

from ..routes.request_context import RequestContext

ASKING: Final = ("OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")

log = logging.getLogger("diffeo")


class Tracer(Protocol):
    """Makes spans of exchanges."""

    def trace(self, http: RequestContext) -> None:
        """The spans of an exchange that has ended."""

    def close(self) -> None:
        """Send what was not sent yet."""


def tracer(environment: Mapping[str, str]) -> Tracer | None:
    """What the environment asks for; None where it asks for nothing."""
    if not _is_wanted(environment):
        return None
    try:
        from . import spans  # noqa: PLC0415  (an extra, and costly)
    except ModuleNotFoundError:
        # Such variables are often set for every container of a cluster, and are no reason not to serve.
        log.warning("OTEL_* asks for traces and the extra is not installed: pip install 'diffeo[otel]'")
        return None
    return spans.configured(environment)


def _is_wanted(environment: Mapping[str, str]) -> bool:
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    return environment.get("OTEL_TRACES_EXPORTER") != "none" and any(environment.get(name) for name in ASKING)
