"""Runs one handler as an ASGI application: sends its response or its problem, counts the request, and traces it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.types import Receive, Scope, Send

from ..errors import RequestError
from ..observability.counters import EndpointCounters
from ..observability.timing import RequestTiming
from ..observability.traced_request import TracedRequest, Tracer
from . import problems
from .access import request_id
from .disconnects import DisconnectWatcher
from .problems import CLIENT_DISCONNECTED, INTERNAL, STATUS_CLIENT_DISCONNECTED
from .request_context import ClientDisconnected, HttpResponse, RequestContext

SERVER_TIMING: Final = b"server-timing"

Handler = Callable[[RequestContext], Awaitable[HttpResponse]]
ErrorResponse = Callable[[Exception, str], HttpResponse]


class Endpoint:
    """An ASGI application that answers one kind of request.

    Args:
        handler: makes the response, or raises the error that becomes a problem.
        disconnects: cancels the handler when its client disconnects.
        counters: count the requests whose model is not found.
        tracer: makes OpenTelemetry spans; None where requests are not traced.
        error_response: the response to an error, given the error and the request id.
    """

    def __init__(
        self,
        handler: Handler,
        disconnects: DisconnectWatcher,
        counters: EndpointCounters,
        tracer: Tracer | None = None,
        error_response: ErrorResponse = problems.error_response,
    ) -> None:
        self._handler = handler
        self._disconnects = disconnects
        self._counters = counters
        self._tracer = tracer
        self._error_response = error_response

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = RequestContext(scope, receive, self._counters)
        timing = request.timing
        try:
            response = await self._respond(request)
            request.status = response.status
            timing.freeze()
            response.headers.append((SERVER_TIMING, _server_timing(timing)))
            await response.send(send)
        except asyncio.CancelledError:
            request.problem, request.status = CLIENT_DISCONNECTED, STATUS_CLIENT_DISCONNECTED
            if not request.disconnected:
                raise
        except Exception:
            # The response has started with another status, but it ends early: it counts as a failure.
            request.problem, request.status = INTERNAL.type, INTERNAL.status
            raise
        finally:
            self._disconnects.unwatch(request)
            request.release()
            request.counters.count(timing, request.status, request.problem)
            scope.setdefault("state", {})["log"] = request.log_fields()
            if self._tracer is not None:
                self._tracer.trace(_traced(request), timing)

    async def _respond(self, request: RequestContext) -> HttpResponse:
        try:
            return await self._handler(request)
        except ClientDisconnected:
            return _no_response(request)
        except asyncio.CancelledError:
            if not request.disconnected:
                raise
            return _no_response(request)
        except Exception as error:  # noqa: BLE001  (an unexpected error becomes a problem document too)
            request.problem = problems.problem_type_of(error).type
            if isinstance(error, RequestError):
                request.refund()
                request.parameters = error.parameters or request.parameters
            return self._error_response(error, request_id(request.scope))


def _no_response(request: RequestContext) -> HttpResponse:
    request.problem = CLIENT_DISCONNECTED
    return HttpResponse(STATUS_CLIENT_DISCONNECTED, [])


def _traced(request: RequestContext) -> TracedRequest:
    counters = request.counters
    return TracedRequest(
        request.scope["path"],
        request.headers,
        request_id(request.scope),
        request.status,
        request.problem,
        counters.model,
        counters.version,
    )


def _server_timing(timing: RequestTiming) -> bytes:
    # Encoding has no duration yet in the head of a stream, and none in a problem: it is left out there.
    if not timing.encode_seconds:
        return b"queue;dur=%.3f, compute;dur=%.3f" % (timing.queue_seconds * 1e3, timing.compute_seconds * 1e3)
    milliseconds = timing.queue_seconds * 1e3, timing.compute_seconds * 1e3, timing.encode_seconds * 1e3
    return b"queue;dur=%.3f, compute;dur=%.3f, encode;dur=%.3f" % milliseconds
