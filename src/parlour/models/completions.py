"""OpenAI's Chat Completions, and everything that speaks it: a lean streaming client."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator
from contextlib import suppress
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from parlour.errors import ModelFailed
from parlour.models.base import Delta, Model, ModelOptions, ModelRequest
from parlour.models.chunks import ChunkDecoder
from parlour.models.failures import http_failure, one_line
from parlour.protocol import JsonObject, encode

RETRIES = 2
LONGEST_RETRY_AFTER = 10.0
MAX_ERROR_BYTES = 64_000

log = logging.getLogger(__name__)


class CompletionsModel(Model):
    """One model behind one endpoint, over one pool of connections."""

    def __init__(self, options: ModelOptions) -> None:
        self.name = f"openai:{options.model}"
        self._options = options
        self._url = options.base_url.rstrip("/") + "/chat/completions"
        self._proxy = proxy_for(self._url)
        self._headers = request_headers(options)
        self._timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=options.connect_timeout, sock_read=options.idle_timeout
        )
        self._session: aiohttp.ClientSession | None = None
        # Fields this endpoint has refused, or wants by another name; learned once, then kept.
        self._usage_refused = False
        self._limit_field = "max_tokens"

    @classmethod
    def from_options(cls, options: ModelOptions) -> CompletionsModel:
        return cls(options)

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta, None]:
        decoder = ChunkDecoder()
        response = await self._open(request)
        try:
            content = response.content
            while not decoder.ended:
                data = await content.readany()
                if not data:
                    break
                for delta in decoder.feed(data):
                    yield delta
            for delta in decoder.close():
                yield delta
            await drained(content)
        except ModelFailed as failure:
            raise self._redacted(failure) from None
        except (aiohttp.ClientError, TimeoutError, OSError) as cause:
            raise self._failure(cause) from cause
        finally:
            # Gives the connection back when all of it was read, and closes it otherwise: that is
            # what stops the model.
            response.release()

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _open(self, request: ModelRequest) -> aiohttp.ClientResponse:
        """The response to the request once it is a stream; asks again where that may help."""
        attempt = 0
        while True:
            wait: float | None = None
            try:
                response = await self._post(request)
                if response.status == 200 and streams(response):
                    return response
                failure = await self._refusal(response)
                if self._learn(response.status, failure.message, request):
                    continue
                wait = retry_after(response)
            except TimeoutError as cause:  # The visitor has waited long enough already.
                raise self._failure(cause) from cause
            except (aiohttp.ClientError, OSError) as cause:
                failure = self._failure(cause)
                if attempt == 0 and isinstance(cause, aiohttp.ServerDisconnectedError):
                    wait = 0.0  # A pooled connection that the other side had given up.
            delay = backoff(attempt) if wait is None else wait
            if not failure.retryable or attempt == RETRIES or delay > LONGEST_RETRY_AFTER:
                raise failure
            attempt += 1
            log.info("%s Asking again in %.1f s.", failure.message, delay)
            await asyncio.sleep(delay)

    async def _post(self, request: ModelRequest) -> aiohttp.ClientResponse:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                # The number of turns bounds the number of connections.
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=self._timeout,
            )
        return await self._session.post(
            self._url,
            data=encode(self._body(request)),
            headers=self._headers,
            proxy=self._proxy,
            # A redirect would turn the POST into a GET, or take the key to another host.
            allow_redirects=False,
        )

    def _body(self, request: ModelRequest) -> JsonObject:
        body: JsonObject = {
            "model": request.model or self._options.model,
            "messages": request.messages,
            "stream": True,
        }
        if not self._usage_refused:
            body["stream_options"] = {"include_usage": True}
        if request.max_tokens is not None:
            body[self._limit_field] = request.max_tokens
        return body

    def _learn(self, status: int, words: str, request: ModelRequest) -> bool:
        """Whether the refusal names a field that this client can leave out or rename."""
        if status not in (400, 422):
            return False
        if "stream_options" in words and not self._usage_refused:
            self._usage_refused = True
            return True
        if "max_completion_tokens" in words and request.max_tokens is not None:
            renamed = self._limit_field == "max_tokens"
            self._limit_field = "max_completion_tokens"
            return renamed
        return False

    async def _refusal(self, response: aiohttp.ClientResponse) -> ModelFailed:
        try:
            body = await head_of(response)
        finally:
            response.release()
        if response.status == 200:
            return ModelFailed(
                f"{self._url} answers, but not with a stream ({response.content_type}).",
                hint="Check that OPENAI_BASE_URL is a Chat Completions endpoint.",
                retryable=False,
            )
        if 300 <= response.status < 400:
            return ModelFailed(
                f"{self._url} redirects to {response.headers.get('location', 'nowhere')}.",
                hint="Set OPENAI_BASE_URL to the address it redirects to.",
                retryable=False,
            )
        return self._redacted(http_failure(response.status, response.content_type, body))

    def _redacted(self, failure: ModelFailed) -> ModelFailed:
        """The failure without our own credentials, should a provider quote them."""
        secrets = [self._options.api_key or "", *self._options.extra_headers.values()]
        message = failure.message
        for secret in secrets:
            if len(secret) >= 8:
                message = message.replace(secret, "…")
        return ModelFailed(message, hint=failure.hint, retryable=failure.retryable)

    def _failure(self, cause: Exception) -> ModelFailed:
        """A failure of the network, in words."""
        host = urlsplit(self._url).netloc.rpartition("@")[2]
        match cause:
            case aiohttp.ConnectionTimeoutError():
                seconds = self._options.connect_timeout
                said = f"No connection to {host} within {seconds:g} s."
            case TimeoutError():
                said = f"{host} was silent for {self._options.idle_timeout:g} s."
            case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError():
                said = f"No secure connection to {host}: {one_line(str(cause))}"
            case aiohttp.ClientConnectorError():
                said = f"No connection to {host}: {one_line(str(cause.os_error))}."
            case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
                return ModelFailed(f"{self._url!r} is not an address.", retryable=False)
            case _:
                said = f"The connection to {host} broke."
        return ModelFailed(said, hint="Check OPENAI_BASE_URL and that the server there runs.")


def request_headers(options: ModelOptions) -> dict[str, str]:
    """Everything sent with each request; compression is declined because it delays tokens."""
    headers = {
        "accept": "text/event-stream",
        "accept-encoding": "identity",
        "content-type": "application/json",
        "user-agent": "parlour",
    }
    if options.api_key:
        headers["authorization"] = f"Bearer {options.api_key}"
    return headers | options.extra_headers


def proxy_for(url: str) -> str | None:
    """The proxy that the environment names for this address.

    aiohttp's own ``trust_env`` would also read ``.netrc``, and refuse to send our header beside it.
    """
    parts = urlsplit(url)
    if proxy_bypass(parts.hostname or ""):
        return None
    return getproxies().get(parts.scheme)


def streams(response: aiohttp.ClientResponse) -> bool:
    """False for a body that cannot be a stream, such as a proxy's page."""
    return response.content_type not in ("application/json", "text/html")


def backoff(attempt: int) -> float:
    """Seconds before the next attempt, with jitter so that many callers do not come back at once."""
    return 0.4 * float(2**attempt) * random.uniform(0.5, 1.0)


def retry_after(response: aiohttp.ClientResponse) -> float | None:
    """The seconds the provider asks to wait, if it says so in seconds."""
    with suppress(ValueError):
        return max(0.0, float(response.headers.get("retry-after", "")))
    return None


async def head_of(response: aiohttp.ClientResponse) -> bytes:
    """The first part of a body; enough of an error to know what it says."""
    body = bytearray()
    while len(body) < MAX_ERROR_BYTES:
        data = await response.content.read(MAX_ERROR_BYTES - len(body))
        if not data:
            break
        body += data
    return bytes(body)


async def drained(content: aiohttp.StreamReader) -> None:
    """Waits a moment for the body's end, so that the connection can be used again."""
    with suppress(TimeoutError, aiohttp.ClientError):
        async with asyncio.timeout(0.05):
            while await content.readany():
                pass
