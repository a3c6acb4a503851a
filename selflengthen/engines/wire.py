"""HTTP to an OpenAI-compatible server: one request, and retries for as long as they may help."""

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

_MAX_FAULTS = 10  # of one request, while the server answers others
_MAX_BYTES = 4 * 2**20  # of an answer; a public list of hundreds of models is long
_MAX_ERROR_BYTES = 2**16  # read of an error; people are shown its first words

T = TypeVar("T")
JSONObject = dict[str, Any]


class Unavailable(Exception):
    """The server sent no usable answer; it may do so later.

    `after` is its Retry-After in seconds; `busy` means that nothing is wrong with the request.
    """

    def __init__(self, reason: str, after: float = 0, busy: bool = False) -> None:
        """Take the reason in one line."""
        super().__init__(reason)
        self.after = after
        self.busy = busy


class Rejected(Exception):
    """The server rejects the request; the message is the server's own."""

    def __init__(self, status: int, message: str) -> None:
        """Take the HTTP status and the message."""
        super().__init__(message)
        self.status = status


class Wire:
    """A connection pool that knows when the server last answered."""

    def __init__(self, config: EngineConfig) -> None:
        """Read the API key from the environment; it goes into a header and nowhere else."""
        key = os.environ.get(config.key_variable, "").strip()
        if not (key.isascii() and key.isprintable()):
            raise UserError(
                f"{config.key_variable}: the key in this environment variable contains characters "
                "that no HTTP header can carry; set it to the key alone."
            )
        self._config = config
        self._last_answer = 0.0  # time.monotonic
        self._http = httpx.AsyncClient(
            headers={"Accept-Encoding": "identity"}
            | ({"Authorization": f"Bearer {key}"} if key else {}),
            # httpx would send cookies back, and fail if one does not fit into a header.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            limits=httpx.Limits(max_connections=config.in_flight),
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def retry(self, attempt: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Call `attempt` while it raises Unavailable, with increasing delays.

        Raises EngineError when the server has answered no request for `engine.patience` seconds,
        and RequestRefused when it answers others but never this one.
        """
        started = time.monotonic()
        backoff = wait_exponential(multiplier=0.5, max=30) + wait_random(0, 1)
        faults = 0
        first_failure = 0.0

        def only_this_fails() -> bool:
            return self._last_answer > started and faults >= _MAX_FAULTS

        def wait(state: RetryCallState) -> float:
            return min(max(backoff(state), _failure(state).after), self._config.patience)

        def stop(state: RetryCallState) -> bool:
            nonlocal faults, first_failure
            faults += not _failure(state).busy
            # Counted from the first failure: until then the server may have been generating.
            first_failure = first_failure or time.monotonic()
            silence = time.monotonic() - max(first_failure, self._last_answer)
            return silence > self._config.patience or only_this_fails()

        retrying = AsyncRetrying(
            retry=retry_if_exception_type(Unavailable), wait=wait, stop=stop, reraise=True
        )
        try:
            result: T = await retrying(attempt)
        except Unavailable as error:
            if only_this_fails():
                raise RequestRefused(f"the server never answers this request: {error}") from error
            raise EngineError(
                f"engine.url {self._config.url}: no usable answer for "
                f"{self._config.patience:.0f} s (engine.patience): {error}; restart the server, "
                "then run the same command to resume."
            ) from error
        self._last_answer = time.monotonic()
        return result

    async def send(
        self, path: str, body: JSONObject | None, seconds: float, max_bytes: int = _MAX_BYTES
    ) -> Any:
        """POST `body`, or GET if it is None, and return the parsed answer.

        Raises Unavailable if a retry may help, Rejected if it will not, and EngineError if the
        server cannot be used as it is.
        """
        try:
            # httpx's timeout is per chunk; a server that trickles must not hold a request for ever.
            async with asyncio.timeout(seconds):
                answer = await self._exchange(path, body, seconds, max_bytes)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise UserError(
                f"engine.url {self._config.url}: not an http(s) address ({one_line(str(error))})."
            ) from error
        except TimeoutError as error:
            raise Unavailable(f"no answer within {seconds:.0f} s") from error
        except httpx.HTTPError as error:
            raise Unavailable(one_line(str(error)) or type(error).__name__) from error
        if not 200 <= answer.status < 300:
            raise self._error(answer)
        try:
            return json.loads(answer.content) if answer.content else None
        except (ValueError, RecursionError) as error:
            if path.endswith("_lora_adapter"):  # these answer in plain text
                return None
            raise Unavailable("its answer is not JSON") from error

    async def _exchange(
        self, path: str, body: JSONObject | None, seconds: float, max_bytes: int
    ) -> _Answer:
        """Send a request and read at most `max_bytes` of its answer.

        The answer is not decompressed: a megabyte could become a gigabyte.
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
                    f"engine.url {self._config.url}: the server compresses its answers "
                    f"({one_line(coding, 40)}), although it was asked not to; turn compression off."
                )
            content = bytearray()
            async for chunk in response.aiter_raw():
                content += chunk
                if failed and len(content) > _MAX_ERROR_BYTES:
                    break
                if not failed and len(content) > max_bytes:
                    raise EngineError(
                        f"engine.url {self._config.url}: the server's answer to {path} is longer "
                        f"than {max_bytes:,} bytes, more than any answer needs; check which server "
                        "this is."
                    )
            return _Answer(response.status_code, response.headers, bytes(content))
        finally:
            await response.aclose()

    def _error(self, answer: _Answer) -> Exception:
        """Return the error that a response without success stands for."""
        status, message = answer.status, _message(answer.content)
        if status in (408, 409, 425, 429) or status >= 500 or status < 200:
            busy = status in (429, 503)
            return Unavailable(f"HTTP {status}: {message}", _retry_after(answer.headers), busy)
        if status < 400:
            target = one_line(answer.headers.get("location", "")) or "nowhere"
            return EngineError(
                f"engine.url {self._config.url}: the server redirects to {target} "
                f"(HTTP {status}); set engine.url to the address that answers."
            )
        if status in (401, 403):
            return EngineError(
                f"engine.url {self._config.url}: the server rejects the API key (HTTP {status}); "
                f"set the environment variable {self._config.key_variable} to a valid key."
            )
        return Rejected(status, message)


@dataclass(frozen=True)
class _Answer:
    """A response; of an error, only the beginning was read."""

    status: int
    headers: httpx.Headers
    content: bytes


def _failure(state: RetryCallState) -> Unavailable:
    error = state.outcome.exception() if state.outcome else None
    return error if isinstance(error, Unavailable) else Unavailable("")


def _encode(body: JSONObject) -> bytes:
    """Return a body as JSON; a lone surrogate, as in a name that a server made up, becomes `?`."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8", "replace")


def _message(content: bytes) -> str:
    """Return the server's own message, printable and in one line."""
    message: Any = None
    try:
        answer = json.loads(content)
        error = answer.get("error", answer)
        message = error.get("message", error) if isinstance(error, dict) else error
    except (ValueError, RecursionError, AttributeError):
        pass
    return one_line(message if isinstance(message, str) else content.decode("utf-8", "replace"))


def _retry_after(headers: httpx.Headers) -> float:
    """Return the seconds of a Retry-After header, which may be a date."""
    value = headers.get("retry-after", "")
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError, IndexError, OverflowError, OSError):
        return 0.0
