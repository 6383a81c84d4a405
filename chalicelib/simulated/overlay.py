"""One port of a simulation: what it may read is named, whatever else is called is only written down."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

from chalicelib.errors import RefusedError
from chalicelib.model import Entry, S3Object
from chalicelib.news import News
from chalicelib.ports import Bucket, Bus, Page, Timer
from chalicelib.simulated.journal import Journal, Line


class Overlay:
    """Stands before a real port. A subclass plays what is read back later; unknown methods reach nothing real."""

    port: ClassVar[str] = "?"
    reads: ClassVar[frozenset[str]] = frozenset()
    """Methods that go through to the real port: an allow-list, so that a new one is shut out until it is named here."""

    def __init__(self, real: Any, journal: Journal) -> None:
        self._real = real
        self._journal = journal

    def __getattr__(self, method: str) -> Callable[..., Any]:
        """Give what the class itself does not play: a read, or a capture."""
        if method.startswith("_"):
            raise AttributeError(method)
        if method in self.reads:
            real = getattr(self._real, method)
            return lambda *args, **kwargs: self._journal.look(lambda: real(*args, **kwargs))
        return lambda *args, **kwargs: self._capture(method, args, kwargs)

    def _capture(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        given = [*args, *kwargs.values()]
        about = next((value for value in given if isinstance(value, str)), "")
        self._journal.note(self.port, method, f"{method.replace('_', ' ')} ({self.port}) {about}".rstrip())
        self._journal.lines += [Line(about, value) for value in given if isinstance(value, Entry)]


class Other(Overlay):
    """A port that no simulation reads: all of it is captured."""

    def __init__(self, port: str, real: Any, journal: Journal) -> None:
        super().__init__(real, journal)
        self.port = port  # type: ignore[misc] # one class for every port that is not known here


class SimulatedBucket(Overlay):
    """Objects that were written are read back; listings show the real bucket, as nothing of ours is ever listed."""

    port = "bucket"
    reads = frozenset({"open_uploads", "link"})

    def __init__(self, real: Bucket, journal: Journal) -> None:
        super().__init__(real, journal)
        self.name = real.name
        self._bodies: dict[str, bytes] = {}

    def page(self, prefix: str, *, after: str = "", limit: int = 1000) -> Page[S3Object]:
        real: Bucket = self._real
        return self._journal.look(lambda: real.page(prefix, after=after, limit=limit), page=True)

    def prefixes(self, prefix: str, *, after: str = "", limit: int = 1000) -> Page[str]:
        real: Bucket = self._real
        return self._journal.look(lambda: real.prefixes(prefix, after=after, limit=limit), page=True)

    def read(self, key: str, *, limit: int | None = None) -> bytes:
        real: Bucket = self._real
        body = self._bodies.get(key)
        if body is None:
            return self._journal.look(lambda: real.read(key, limit=limit))
        if limit is not None and len(body) > limit:
            raise RefusedError(f"{key} has {len(body)} bytes; at most {limit} are read.", key=key, limit=limit)
        return body

    def read_from(self, key: str, start: int, *, limit: int) -> bytes:
        real: Bucket = self._real
        if key in self._bodies:
            return self._bodies[key][start : start + limit]
        return self._journal.look(lambda: real.read_from(key, start, limit=limit))

    def head(self, key: str) -> S3Object | None:
        real: Bucket = self._real
        if key in self._bodies:
            return S3Object(key, len(self._bodies[key]), "simulated", self._journal.clock())
        return self._journal.look(lambda: real.head(key))

    def write(self, key: str, body: bytes, *, content_type: str = "application/json") -> None:
        del content_type
        self._bodies[key] = bytes(body)
        self._journal.note("bucket", "write", f"write {key} ({len(body):,} bytes)", call="PutObject", names=(key,))

    def write_long(self, key: str, pieces: Iterable[bytes], *, content_type: str = "application/json") -> None:
        self.write(key, b"".join(pieces), content_type=content_type)


class SimulatedTimer(Overlay):
    port = "timer"

    def __init__(self, real: Timer, journal: Journal) -> None:
        super().__init__(real, journal)

    def wake(self, subject: str, *, seconds: int) -> None:
        when = "at once" if seconds <= 0 else f"in {seconds} s"
        self._journal.wakes.append((self._journal.clock() + max(0, min(seconds, 900)), subject))
        self._journal.note("timer", "wake", f"look at {subject} again {when}", call="SendMessage", names=(subject,))


class SimulatedBus(Overlay):
    """Takes nothing, as nothing waits in a simulation's outbox."""

    port = "bus"

    def __init__(self, real: Bus, journal: Journal) -> None:
        super().__init__(real, journal)

    def publish(self, news: Sequence[News]) -> tuple[str, ...]:
        self._journal.note("bus", "publish", f"publish {len(news)} events", call="PutEvents")
        return ()


class SimulatedMail(Overlay):
    """Reaches nobody, and reads no secret."""

    port = "mail"

    def post(self, body: bytes, headers: Mapping[str, str]) -> int:
        del headers
        self._journal.note("mail", "post", f"post {len(body):,} bytes to the webhook", call="POST")
        return 200

    def secret(self) -> str:
        return ""
