"""A server that answers whatever it is told to, byte by byte, on a real socket."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field

REASONS = {200: "OK", 404: "Not Found"}


@dataclass(frozen=True)
class Answer:
    """A status, headers beside the length, and a body; `cut` hangs up after so many of its bytes.

    A `body` of several pieces is written piece by piece, so that a huge one takes no memory here.
    """

    status: int = 200
    headers: tuple[tuple[str, bytes], ...] = ()
    body: bytes | tuple[bytes, ...] = b""
    cut: int | None = None


def of_json(value: object, status: int = 200) -> Answer:
    """Return an answer in JSON; halves of characters stand in it as escapes."""
    return Answer(status, body=json.dumps(value).encode())


def completion(text: str = "A text.", **changes: object) -> dict[str, object]:
    """Return a sound completion; `changes` are fields of its choice."""
    choice = {"message": {"content": text}, "finish_reason": "stop"} | changes
    return {"choices": [choice], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}


MODELS = of_json({"data": [{"id": "pocket"}]})


@dataclass
class Hostile:
    """Answers a request for the models with `models`, every other with `answer`."""

    models: Answer = MODELS
    answer: Answer | Callable[[bytes], Answer] = field(default_factory=Answer)
    sent: int = 0
    _server: asyncio.Server | None = None

    async def __aenter__(self) -> Hostile:
        self._server = await asyncio.start_server(self._handle, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server
        self._server.close()

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                (
                    int(line[15:])
                    for line in head.split(b"\r\n")
                    if line.lower()[:15] == b"content-length:"
                ),
                0,
            )
            body = await reader.readexactly(length)
            if b" /v1/models " in head or b" /models " in head:
                answer = self.models
            else:
                answer = self.answer(body) if callable(self.answer) else self.answer
            await self._write(writer, answer)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    async def _write(self, writer: asyncio.StreamWriter, answer: Answer) -> None:
        pieces = (answer.body,) if isinstance(answer.body, bytes) else answer.body
        reason = REASONS.get(answer.status, "Whatever").encode()
        head = b"HTTP/1.1 %d %s\r\n" % (answer.status, reason)
        head += b"".join(b"%s: %s\r\n" % (name.encode(), value) for name, value in answer.headers)
        head += b"Content-Length: %d\r\nConnection: close\r\n\r\n" % sum(map(len, pieces))
        writer.write(head)
        left = answer.cut if answer.cut is not None else sum(map(len, pieces))
        for piece in pieces:
            writer.write(piece[: max(0, left)])
            left -= len(piece)
            self.sent += len(piece)
            await writer.drain()
