"""A proxy that breaks things on order, between the openai engine and a real server."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

from aiohttp import ClientSession, web

Plan = Callable[[dict[str, Any]], str]
"""From the body of a chat completion to the fault it gets, or an empty string."""

KINDS = ("429", "500", "close", "hang", "garbage", "truncated", "empty")


class Proxy:
    """Forwards to `target`; chat completions get the faults that `plan` orders."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.plan: Plan = lambda body: ""
        self.done: Counter[str] = Counter()
        self.authorization: set[str | None] = set()

    async def __aenter__(self) -> Proxy:
        self._session = ClientSession()
        app = web.Application(client_max_size=2**26)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
        await self._session.close()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.authorization.add(request.headers.get("Authorization"))
        sent = await request.read()
        fault = ""
        if request.path.endswith("/chat/completions"):
            fault = self.plan(await request.json())
            self.done[fault] += 1
        if fault == "429":
            return web.Response(status=429, headers={"Retry-After": "1"}, text="busy")
        if fault == "500":
            return web.json_response({"error": {"message": "out of order"}}, status=500)
        if fault == "unknown":
            said = "Unrecognized request argument supplied: top_k"
            return web.json_response({"error": {"message": said}}, status=400)
        if fault == "no schema":
            said = "This response_format type is unavailable now"
            return web.json_response({"error": {"message": said}}, status=400)
        if fault == "few":
            said = (
                "max_tokens is too large: 4000. This model supports at most 900 completion tokens"
            )
            return web.json_response({"error": {"message": said}}, status=400)
        if fault == "hang":
            await asyncio.sleep(60)
        if fault in ("close", "hang"):
            if request.transport:  # else the client has hung up
                request.transport.abort()
            return web.Response()
        if fault == "garbage":
            return web.Response(text='{"choices": [{"mess')
        if fault == "empty":
            return web.json_response({})
        return await self._forward(request, sent, cut=fault == "truncated")

    async def _forward(self, request: web.Request, sent: bytes, cut: bool) -> web.StreamResponse:
        headers = {"Content-Type": "application/json"}
        url = self.target + request.path
        async with self._session.request(
            request.method, url, data=sent or None, headers=headers
        ) as got:
            body = await got.read()
            response = web.StreamResponse(status=got.status, headers=headers)
        response.content_length = len(body)
        await response.prepare(request)
        await response.write(body[: len(body) // 2] if cut else body)
        if cut and request.transport:
            request.transport.close()
        return response
