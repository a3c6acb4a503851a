"""HTTP to an OpenAI-compatible server: one request, and the same again for as long as it helps."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, TypeVar

import httpx
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    wait_exponential,
    wait_random,
)

from selflengthen.config import EngineConfig
from selflengthen.errors import EngineError, RequestRefused, UserError
from selflengthen.text.printable import one_line

_FAULTS = 10  # that one request may meet while the server answers others
_ROOM = 4 * 2**20  # bytes of an answer; a public list of hundreds of models is long
_ERROR_ROOM = 2**16  # bytes that are read of an error; people are shown its first words

T = TypeVar("T")


class Away(Exception):
    """The server did not answer, or not with an answer; it may do so later.

    `after` is its Retry-After in seconds; `busy` says that it has nothing against the request.
    """

    def __init__(self, reason: str, after: float = 0, busy: bool = False) -> None:
        """Take the reason in one line."""
        super().__init__(reason)
        self.after, self.busy = after, busy


class Refused(Exception):
    """The server will not do it; the message is in the server's own words."""

    def __init__(self, status: int, said: str) -> None:
        """Take the HTTP status and the words."""
        super().__init__(said)
        self.status = status


class Wire:
    """A connection pool, and the memory of when the server last answered."""

    def __init__(self, config: EngineConfig) -> None:
        """Read the key from the environment; it goes into a header and nowhere else."""
        key = os.environ.get(config.key_variable, "").strip()
        if not (key.isascii() and key.isprintable()):
            raise UserError(
                f"{config.key_variable}: the key in this environment variable holds characters "
                "that no request can carry; put the key alone there."
            )
        self._config, self._answered = config, 0.0
        self._http = httpx.AsyncClient(
            headers={"Accept-Encoding": "identity"}
            | ({"Authorization": f"Bearer {key}"} if key else {}),
            # httpx would send a cookie back, and fail at one that no header can hold.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            limits=httpx.Limits(max_connections=config.in_flight),
        )

    async def close(self) -> None:
        """Hang up."""
        await self._http.aclose()

    async def again(self, attempt: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Call `attempt` (a coroutine function) while it raises Away, ever more slowly.

        Raises EngineError when the server has answered nobody for `engine.patience` seconds, and
        RequestRefused when it answers others but never this one.
        """
        begun = time.monotonic()
        backoff = wait_exponential(multiplier=0.5, max=30) + wait_random(0, 1)
        faults, failed = 0, 0.0

        def wait(state: RetryCallState) -> float:
            return min(max(backoff(state), _away(state).after), self._config.patience)

        def stop(state: RetryCallState) -> bool:
            nonlocal faults, failed
            faults += not _away(state).busy
            # Counted from its first failure: until then the server may have been writing.
            failed = failed or time.monotonic()
            away = time.monotonic() - max(failed, self._answered)
            others = self._answered > begun
            return away > self._config.patience or (others and faults >= _FAULTS)

        retrying = AsyncRetrying(
            retry=retry_if_exception_type(Away), wait=wait, stop=stop, reraise=True
        )
        try:
            result: T = await retrying(attempt)
        except Away as error:
            if self._answered > begun and faults >= _FAULTS:
                raise RequestRefused(f"the server never answers this request: {error}") from error
            raise EngineError(
                f"engine.url {self._config.url}: the server has stayed away for "
                f"{self._config.patience:.0f} s (engine.patience): {error}; bring it back, and the "
                "same command continues the run."
            ) from error
        self._answered = time.monotonic()
        return result

    async def once(
        self, path: str, body: dict[str, Any] | None, seconds: float, room: int = _ROOM
    ) -> Any:
        """Post `body` (or get, where there is none) and return the parsed answer.

        `room` is the most bytes that the answer may have. Raises Away where trying again may help,
        Refused where it will not, and EngineError where the server cannot be used as it is.
        """
        try:
            # httpx's limit is per piece; a server that trickles must not hold a request for ever.
            async with asyncio.timeout(seconds):
                answer = await self._exchange(path, body, seconds, room)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise UserError(
                f"engine.url {self._config.url}: is no address ({one_line(str(error))})."
            ) from error
        except TimeoutError as error:
            raise Away(f"no answer within {seconds:.0f} s") from error
        except httpx.HTTPError as error:
            raise Away(one_line(str(error)) or type(error).__name__) from error
        if not 200 <= answer.status < 300:
            raise self._refusal(answer)
        try:
            return json.loads(answer.content) if answer.content else None
        except (ValueError, RecursionError) as error:
            if path.endswith("_lora_adapter"):  # these answer with a sentence
                return None
            raise Away("an answer that is no JSON") from error

    async def _exchange(
        self, path: str, body: dict[str, Any] | None, seconds: float, room: int
    ) -> _Answer:
        """Send a request and read its answer, no more of it than there is room for.

        The bytes are taken as they come off the wire: a decoder can make a gigabyte of a megabyte.
        """
        request = self._http.build_request(
            "GET" if body is None else "POST",
            f"{self._config.url.rstrip('/')}/{path}",
            content=None if body is None else _encode(body),
            headers={} if body is None else {"Content-Type": "application/json"},
            timeout=httpx.Timeout(seconds, connect=min(10, seconds), pool=None),
        )
        response = await self._http.send(request, stream=True)
        try:
            failed = not response.is_success
            coding = response.headers.get("content-encoding", "").strip().lower()
            if coding not in ("", "identity"):
                if failed:
                    return _Answer(response.status_code, response.headers, b"")
                raise EngineError(
                    f"engine.url {self._config.url}: the server packs its answers "
                    f"({one_line(coding, 40)}), though it is asked for plain ones; switch its "
                    "compression off."
                )
            content = bytearray()
            async for piece in response.aiter_raw():
                content += piece
                if len(content) > (_ERROR_ROOM if failed else room):
                    if failed:
                        break
                    raise EngineError(
                        f"engine.url {self._config.url}: the server's answer to {path} is longer "
                        f"than {room:,} bytes, more than any answer needs; check what answers at "
                        "that address."
                    )
            return _Answer(response.status_code, response.headers, bytes(content))
        finally:
            await response.aclose()

    def _refusal(self, answer: _Answer) -> Exception:
        """Return what a response means that is no success."""
        status, message = answer.status, _message(answer.content)
        if status in (408, 409, 425, 429) or status >= 500 or status < 200:
            busy = status in (429, 503)
            return Away(f"HTTP {status}: {message}", _retry_after(answer.headers), busy)
        if status < 400:
            target = one_line(answer.headers.get("location", "")) or "nowhere"
            return EngineError(
                f"engine.url {self._config.url}: the server sends requests on to {target} "
                f"(HTTP {status}); set engine.url to the address that answers."
            )
        if status in (401, 403):
            return EngineError(
                f"engine.url {self._config.url}: the server refuses the key (HTTP {status}); put "
                f"the right one in the environment variable {self._config.key_variable}."
            )
        return Refused(status, message)


@dataclass(frozen=True)
class _Answer:
    """A response that was read: of an error, only the beginning."""

    status: int
    headers: httpx.Headers
    content: bytes


def _away(state: RetryCallState) -> Away:
    error = state.outcome.exception() if state.outcome else None
    return error if isinstance(error, Away) else Away("")


def _encode(body: dict[str, Any]) -> bytes:
    """Return a body as JSON; half a character, as in a name that a server made up, becomes `?`."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8", "replace")


def _message(content: bytes) -> str:
    """Return the server's own words, printable and in one line."""
    message: Any = None
    try:
        answer = json.loads(content)
        error = answer.get("error", answer)
        message = error.get("message", error) if isinstance(error, dict) else error
    except (ValueError, RecursionError, AttributeError):
        pass
    return one_line(message if isinstance(message, str) else content.decode("utf-8", "replace"))


def _retry_after(headers: httpx.Headers) -> float:
    """Return the seconds of a Retry-After header; it may hold a date."""
    value = headers.get("retry-after", "")
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError, IndexError, OverflowError, OSError):
        return 0.0
