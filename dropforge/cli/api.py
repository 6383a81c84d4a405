"""The HTTP API as a client sees it: operators' calls signed with SigV4, clients' calls with their key."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any
from urllib.parse import quote, urlencode

import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from dropforge.cli.cloud import Kind, Place
from dropforge.cli.errors import CliError, Exit

_TIMEOUT = urllib3.Timeout(connect=5, read=35)
"""The gateway itself gives up after 29 seconds."""
_TRIES = 4
_CALLED_WRONGLY = {400, 404, 413, 415}
_REFUSED = {409, 422}
_FORBIDDEN, _MISSING = 403, 404
_TOO_MANY, _ERRORS, _SERVER_ERRORS = 429, 400, 500


class ApiError(CliError):
    """The API said no; `status`, `code` and `retryable` are its own words. What it does not take was called wrongly."""

    def __init__(self, status: int, problem: Mapping[str, Any], advice: str = "") -> None:
        self.status = status
        self.code = str(problem.get("code") or "")
        self.retryable = bool(problem.get("retryable"))
        self.of_this_call = status not in {_FORBIDDEN, _MISSING} and self.code != "not-live"
        """Whether a call for the same with another body may be answered well."""
        if status in _CALLED_WRONGLY:
            self.exit = Exit.USAGE
        if status in _REFUSED and not self.retryable:
            self.exit = Exit.REFUSED
        # The gateway itself says `message` where it turns a call away; AWS's front door spells it `Message`.
        words = (problem.get(name) for name in ("detail", "title", "message", "Message"))
        said = str(next(filter(None, words), "no reason given")).rstrip(".")
        request = f" [request {problem['request_id']}]" if problem.get("request_id") else ""
        super().__init__(f"The API answered {status}: {said}.{advice and f' {advice}'}{request}")


class Api:
    def __init__(self, place: Place) -> None:
        """Talk to `place`; connections are kept open between calls."""
        self._place = place
        self._pool = urllib3.PoolManager(timeout=_TIMEOUT, retries=False)

    def get(self, *path: str, **query: str | int | None) -> dict[str, Any]:
        """Read one of the operators' resources; a passing trouble is tried again."""
        url = self._url(*path)
        asked = {name: value for name, value in query.items() if value is not None}
        if asked:
            url += "?" + urlencode(asked, quote_via=quote)
        return self._patiently("GET", url)

    def post(self, *path: str, **fields: Any) -> dict[str, Any]:
        """Ask for something by a JSON object of the fields that are given; every such order is safe to repeat."""
        asked = {name: value for name, value in fields.items() if value is not None}
        return self._patiently("POST", self._url(*path), json.dumps(asked).encode())

    def _patiently(self, method: str, url: str, body: bytes | None = None) -> dict[str, Any]:
        for attempt in range(_TRIES):
            status, said = self._send(method, url, self._signed(method, url, body), body)
            passing = status == _TOO_MANY or status >= _SERVER_ERRORS
            if not passing or attempt == _TRIES - 1:
                break
            time.sleep(0.2 * 2**attempt)
        return _read(status, said)

    def find(self, *path: str) -> dict[str, Any] | None:
        """Read a resource, or None where there is none."""
        try:
            return self.get(*path)
        except ApiError as error:
            if error.code == "not-found":
                return None
            raise

    def listed(self, plural: str, *, limit: int, **query: str | None) -> Iterator[dict[str, Any]]:
        """List at most `limit` items, newest first, over as many pages as that takes."""
        return islice(self._items(plural, limit, query), limit)

    def model(self, model: str) -> dict[str, Any]:
        url = self._url("v1", "models", model)
        return _read(*self._send("GET", url, {"x-api-key": self._place.api_key()}), advise=self._advise)

    def predict(self, model: str, body: bytes, content_type: str) -> dict[str, Any]:
        url = self._url("v1", "models", model, "predict")
        headers = {"x-api-key": self._place.api_key(), "Content-Type": content_type, "Accept": "application/json"}
        return _read(*self._send("POST", url, headers, body), advise=self._advise)

    def _advise(self, status: int, code: str) -> str:
        """Say what helps when a model cannot be asked."""
        if status == _FORBIDDEN and self._place.key_is_given:
            return "DROPFORGE_API_KEY holds another key than this cloud's: unset it."
        if status == _FORBIDDEN:
            return "The API key was not taken: set DROPFORGE_API_KEY to the one to use."
        if code == "not-found":
            return "`dropforge runs --state live` lists the models that are live."
        return "`dropforge runs` shows how far its runs are." if code == "not-live" else ""

    def _items(self, plural: str, limit: int, query: Mapping[str, str | None]) -> Iterator[dict[str, Any]]:
        token: str | None = None
        while True:
            page = self.get("v1", plural, limit=min(limit, 100), next=token, **query)
            yield from page[plural]
            token = page.get("next")
            if not token:
                return

    def _url(self, *path: str) -> str:
        return "/".join([self._place.api, *(quote(part, safe="") for part in path)])

    def _signed(self, method: str, url: str, body: bytes | None) -> dict[str, str]:
        credentials = self._place.session.get_credentials()
        if credentials is None:
            raise CliError("No AWS credentials are found: sign in (`aws sso login`), or choose --cloud local.")
        headers = {"Content-Type": "application/json"} if body is not None else {}
        request = AWSRequest(method, url, data=body, headers=headers)
        SigV4Auth(credentials.get_frozen_credentials(), "execute-api", self._place.region).add_auth(request)
        return dict(request.headers.items())

    def _send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> tuple[int, bytes]:
        try:
            answer = self._pool.request(method, url, body=body, headers=headers)
        except urllib3.exceptions.HTTPError as error:
            advice = "start it with `dropforge up`" if self._place.kind is Kind.LOCAL else "look at the network"
            raise CliError(f"The API at {self._place.api} does not answer ({_cause(error)}): {advice}.") from error
        return answer.status, answer.data


def _cause(error: Exception) -> str:
    if isinstance(error, urllib3.exceptions.NewConnectionError):
        return "connection refused"
    return "timed out" if isinstance(error, urllib3.exceptions.TimeoutError) else type(error).__name__


def _read(status: int, body: bytes, advise: Callable[[int, str], str] = lambda _status, _code: "") -> dict[str, Any]:
    try:
        said = json.loads(body)
    except ValueError:
        said = {"detail": "an answer that is not JSON"}
    if status >= _ERRORS or not isinstance(said, dict):
        problem = said if isinstance(said, dict) else {}
        raise ApiError(status, problem, advise(status, str(problem.get("code"))))
    return said
