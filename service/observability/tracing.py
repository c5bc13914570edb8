"""Turns tracing on if one of OpenTelemetry's standard environment variables asks for traces.

Otherwise nothing of OpenTelemetry is imported, and a request pays for one comparison.
"""

import logging
from collections.abc import Mapping
from typing import Final

from .traced_request import Tracer

ENABLING_VARIABLES: Final = (
    "OTEL_TRACES_EXPORTER",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
)

log = logging.getLogger("diffeo")


def tracer(environment: Mapping[str, str]) -> Tracer | None:
    """The tracer that the environment variables configure; None if they do not ask for traces.

    Raises:
        SettingsInvalid: no installed package provides the exporter that the variables name.
    """
    if not _is_enabled(environment):
        return None
    try:
        from . import spans  # noqa: PLC0415  (OpenTelemetry is an extra, and its import is slow)
    except ModuleNotFoundError:
        # Clusters often set these variables for every container, so they must not stop the service.
        log.warning("traces are off: OTEL_* is set, but OpenTelemetry is missing: pip install 'diffeo[otel]'")
        return None
    return spans.configured(environment)


def _is_enabled(environment: Mapping[str, str]) -> bool:
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    if environment.get("OTEL_TRACES_EXPORTER") == "none":
        return False
    return any(environment.get(name) for name in ENABLING_VARIABLES)
