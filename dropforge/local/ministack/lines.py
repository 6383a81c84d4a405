"""CloudWatch Logs keeps the newest lines of each stream, and copies of its state share them.

ministack keeps every line for ever, and twice: once in its stream and once for Logs Insights, which makes the second
again when it is asked. Each snapshot copies all of that while nobody is answered.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

FUNCTIONS = "/aws/lambda/"
KEPT_OF_FUNCTIONS = 5_000
"""Lines of a stream of a function's: the files of the home have all of them."""
KEPT = 100_000
"""Lines of any other stream."""
KEPT_CHARACTERS = 64 * 1024 * 1024
"""Of any stream, whoever prints it: lines may be long."""
_LOOK = 250
"""Lines after which the characters of a stream are counted again."""


class Line(dict[str, Any]):
    """A line as it was taken: it never changes, so a copy may share it."""

    def __deepcopy__(self, memo: object) -> Self:
        return self


def share_loaded() -> None:
    """Let copies share what the last life left, too."""
    from ministack.services import cloudwatch_logs as logs

    for _, group in logs._log_groups.all_items():  # noqa: SLF001  no call gives the lines themselves
        for stream in group["streams"].values():
            stream["events"] = [Line(event) for event in stream["events"]]


def newest(events: list[dict[str, Any]], kept: int, added: int) -> list[dict[str, Any]]:
    """Give the newest lines: a new list, for who reads the old one, where a tenth more are there than are kept.

    The characters are counted whenever some more lines have been `added`: each counting looks at all of them.
    """
    if len(events) > kept * 1.1:
        events = events[-kept:]
    if added < _LOOK and len(events) % _LOOK >= added:
        return events
    free = KEPT_CHARACTERS
    for number, event in enumerate(reversed(events)):
        free -= len(event["message"])
        if free < 0:
            return events[len(events) - number :]
    return events


def keep_newest() -> None:
    """Put ourselves around what takes lines; twice is as good as once."""
    from ministack.services import cloudwatch_logs as logs

    append, put = logs._append_log_events, logs._put_log_events  # noqa: SLF001  no other place sees each line

    def take(stream: dict[str, Any], events: list[dict[str, Any]]) -> None:
        append(stream, [Line(event) for event in events])
        for event in events:
            logs._log_records.pop(event.get("eventId"), None)  # noqa: SLF001  made again by the query that wants it

    def put_and_trim(data: Mapping[str, Any]) -> Any:
        answer = put(data)
        group = data.get("logGroupName") or ""
        stream = (logs._log_groups.get(group) or {"streams": {}})["streams"].get(data.get("logStreamName"))  # noqa: SLF001  see above
        if stream is not None:
            with logs._log_events_lock:  # noqa: SLF001  as its own appending does
                kept = KEPT_OF_FUNCTIONS if group.startswith(FUNCTIONS) else KEPT
                stream["events"] = newest(stream["events"], kept, len(data.get("logEvents") or ()))
        return answer

    logs._append_log_events, logs._put_log_events = take, put_and_trim  # noqa: SLF001  see above
