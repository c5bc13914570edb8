"""The table of routes: the three operations of the native API, and every path of the Open Inference Protocol.

FastAPI serves and documents all other paths, such as /models and /metrics.
"""

from collections.abc import Mapping
from typing import Final

from .observability.counters import EndpointCounters
from .observability.tracing import Tracer
from .routes.dispatch import Route
from .routes.endpoint import Endpoint, ErrorResponse, Handler
from .routes.inference import Inference
from .routes.v2 import problems as v2_problems
from .routes.v2.handlers import Handlers
from .routes.v2.infer import Infer

MODEL: Final = "/v2/models/{model}"
VERSION: Final = "/v2/models/{model}/versions/{version}"
# By first segment of the path, how errors are written below it; RFC 9457 problem documents elsewhere.
ERROR_RESPONSES: Final[Mapping[str, ErrorResponse]] = {"v2": v2_problems.error_response}


def route_table(inference: Inference, tracer: Tracer | None) -> list[Route]:
    """Every route that is answered without FastAPI."""
    shared = inference.counters.shared
    handlers = Handlers(inference.repository, inference.settings, inference.limits, shared)
    infer = Infer(inference)
    # Requests for metadata belong to no operation and are not counted. Infer counts those of the operation it calls.
    uncounted = EndpointCounters("")

    def operation(name: str, handler: Handler) -> Endpoint:
        return Endpoint(handler, inference.disconnects, inference.counters.unmatched(name), tracer)

    def v2(handler: Handler) -> Endpoint:
        return Endpoint(handler, inference.disconnects, uncounted, error_response=v2_problems.error_response)

    return [
        Route("POST", "/sample", operation("sample", inference.sample)),
        Route("POST", "/log_prob", operation("log_prob", inference.log_prob)),
        Route("POST", "/transform", operation("transform", inference.transform)),
        Route("GET", "/v2", v2(handlers.server)),
        Route("GET", "/v2/health/live", v2(handlers.live)),
        Route("GET", "/v2/health/ready", v2(handlers.ready)),
        Route("GET", "/v2/models", v2(handlers.models)),
        Route("GET", "/v2/models/stats", v2(handlers.all_statistics)),
        Route("GET", MODEL, v2(handlers.metadata)),
        Route("GET", MODEL + "/config", v2(handlers.configuration)),
        Route("GET", MODEL + "/ready", v2(handlers.model_ready)),
        Route("GET", MODEL + "/stats", v2(handlers.statistics)),
        Route("POST", MODEL + "/infer", v2(infer.infer)),
        Route("GET", VERSION, v2(handlers.metadata)),
        Route("GET", VERSION + "/config", v2(handlers.configuration)),
        Route("GET", VERSION + "/ready", v2(handlers.model_ready)),
        Route("GET", VERSION + "/stats", v2(handlers.statistics)),
        Route("POST", VERSION + "/infer", v2(infer.infer)),
        Route("POST", "/v2/repository/index", v2(handlers.index)),
        Route("POST", "/v2/repository/models/{model}/load", v2(handlers.control)),
        Route("POST", "/v2/repository/models/{model}/unload", v2(handlers.control)),
    ]
