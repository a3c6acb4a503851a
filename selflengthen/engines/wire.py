"""HTTP to an OpenAI-compatible server: one request, and the same again for as long as it helps."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Coroutine
from email.utils import parsedate_to_datetime
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

_FAULTS = 10  # that one request may meet while the server answers others

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
            headers={"Authorization": f"Bearer {key}"} if key else {},
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

    async def once(self, path: str, body: dict[str, Any] | None, seconds: float) -> Any:
        """Post `body` (or get, where there is none) and return the parsed answer.

        Raises Away where trying again may help, Refused where it will not.
        """
        url = f"{self._config.url.rstrip('/')}/{path}"
        limits = httpx.Timeout(seconds, connect=min(10, seconds), pool=None)
        try:
            # httpx's limit is per piece; a server that trickles must not hold a request for ever.
            async with asyncio.timeout(seconds):
                if body is None:
                    response = await self._http.get(url, timeout=limits)
                else:
                    response = await self._http.post(url, json=body, timeout=limits)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise UserError(f"engine.url {self._config.url}: is no address ({error}).") from error
        except TimeoutError as error:
            raise Away(f"no answer within {seconds:.0f} s") from error
        except httpx.HTTPError as error:
            raise Away(str(error) or type(error).__name__) from error
        if response.status_code >= 400:
            raise self._refusal(response)
        try:
            return response.json() if response.content else None
        except ValueError as error:
            if path.endswith("_lora_adapter"):  # these answer with a sentence
                return None
            raise Away("an answer that is no JSON") from error

    def _refusal(self, response: httpx.Response) -> Exception:
        """Return what an error response means."""
        status, said = response.status_code, _message(response)
        if status in (408, 409, 425, 429) or status >= 500:
            return Away(f"HTTP {status}: {said}", _retry_after(response), status in (429, 503))
        if status in (401, 403):
            return EngineError(
                f"engine.url {self._config.url}: the server refuses the key (HTTP {status}); put "
                f"the right one in the environment variable {self._config.key_variable}."
            )
        return Refused(status, said)


def _away(state: RetryCallState) -> Away:
    error = state.outcome.exception() if state.outcome else None
    return error if isinstance(error, Away) else Away("")


def _message(response: httpx.Response) -> str:
    """Return the server's own words, in one line."""
    try:
        answer = response.json()
        error = answer.get("error", answer)
        said = error.get("message", error) if isinstance(error, dict) else error
    except (ValueError, AttributeError):
        said = response.text
    return " ".join(str(said).split())[:300]


def _retry_after(response: httpx.Response) -> float:
    """Return the seconds of a Retry-After header; it may hold a date."""
    value = response.headers.get("retry-after", "")
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError):
        return 0.0
