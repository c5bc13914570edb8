"""Sends a verified file as a response, block after block, as fast as the client takes it."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from .byte_range import ByteRange
from .verified_file import VerifiedFile


class FileDownload(Response):
    """A response whose body is a part of a file, or all of it.

    Args:
        file: is closed when the response ends.
        part: the bytes to send.
        headers: headers of the response, beside Content-Length.
        media_type: the Content-Type.
        ended: called when the response has ended.
    """

    def __init__(
        self,
        file: VerifiedFile,
        part: ByteRange,
        headers: Mapping[str, str],
        media_type: str,
        ended: Callable[[], None],
    ) -> None:
        self._file = file
        self._part = part
        self._ended = ended
        partial = part.end - part.start < file.size
        length = {"content-length": str(part.end - part.start)}
        if partial:
            length["content-range"] = f"bytes {part.start}-{part.end - 1}/{file.size}"
        super().__init__(None, 206 if partial else 200, {**headers, **length}, media_type)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the head, then each block when the client has taken nearly all of the one before."""
        disconnected = asyncio.ensure_future(_wait_for_disconnect(receive))
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            if scope["method"] != "HEAD":
                async with contextlib.aclosing(self._file.blocks(*self._part)) as blocks:
                    async for block in blocks:
                        if disconnected.done():
                            return
                        await send({"type": "http.response.body", "body": block, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            disconnected.cancel()
            self._file.close()
            self._ended()


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
