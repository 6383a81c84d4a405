"""DataProcessing: what of a record the model sees, what its answer is joined with, and what of that is kept."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dropforge.local.sagemaker.transform import jsonpath, refusals
from dropforge.local.sagemaker.transform.jsonpath import PathError
from dropforge.local.sagemaker.transform.split import Batch

_CSV, _JSON, _LINES = "text/csv", "application/json", "application/jsonlines"
_OUTPUT, _INPUT = "SageMakerOutput", "SageMakerInput"


class JoinError(Exception):
    """Input or answer that cannot be filtered or joined; fails the object."""


@dataclass(frozen=True, slots=True)
class Joining:
    """How a job filters and joins; nothing of it (`None` in its place) leaves bytes as they are."""

    before: jsonpath.Path
    after: jsonpath.Path
    joins: bool
    given: str
    answered: str

    def ask(self, batch: Batch) -> bytes:
        """Give the body of the request for a batch."""
        return _write([_select(self.before, row) for row in self._rows(batch)], self.given)

    def answer(self, batch: Batch, body: bytes) -> bytes:
        """Give what is written for a batch whose answer is this."""
        rows = _read(body, self.answered, whole=len(batch) == 1)
        if self.joins:
            given = self._rows(batch)
            if len(given) != len(rows):
                raise JoinError("Fail to join data: mismatched line count between the input and the output")
            rows = [_join(one, other) for one, other in zip(given, rows, strict=True)]
        return _write([_select(self.after, row) for row in rows], self.answered)

    def _rows(self, batch: Batch) -> list[Any]:
        return _read(b"\n".join(record.data for record in batch), self.given, whole=len(batch) == 1)


def joining(request: Mapping[str, Any]) -> Joining | None:
    """Read what a request says; None where it asks for nothing. Refuses what cannot be."""
    asked = request.get("DataProcessing") or {}
    before, after = asked.get("InputFilter") or "$", asked.get("OutputFilter") or "$"
    joins = asked.get("JoinSource", "None") == "Input"
    if before == after == "$" and not joins:
        return None
    given = _format("ContentType", request["TransformInput"].get("ContentType"))
    answered = _format("Accept", request["TransformOutput"].get("Accept") or given)
    if joins and given != answered:
        raise refusals.NOT_ALIKE(given=given)
    return Joining(_path("InputFilter", before), _path("OutputFilter", after), joins, given, answered)


def _path(member: str, text: str) -> jsonpath.Path:
    try:
        return jsonpath.read(text)
    except PathError as error:
        raise refusals.BAD_PATH(member=member, path=text) from error


def _format(member: str, given: str | None) -> str:
    kind = (given or "").partition(";")[0].strip()
    if kind not in {_CSV, _JSON, _LINES}:
        raise refusals.NO_FORMAT(member=member, given=given)
    return kind


def _read(body: bytes, kind: str, *, whole: bool) -> list[Any]:
    """Read rows; a JSON document that is alone may take many lines."""
    try:
        text = body.decode()
        if kind == _JSON and whole:
            return [json.loads(text)]
        lines = [line for line in text.splitlines() if line.strip()]
        return list(csv.reader(lines)) if kind == _CSV else [json.loads(line) for line in lines]
    except (ValueError, csv.Error) as error:
        raise JoinError(f"Fail to parse data as {kind}: {error}") from error


def _write(rows: list[Any], kind: str) -> bytes:
    if kind != _CSV:
        return "\n".join(json.dumps(row) for row in rows).encode()
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(row if isinstance(row, list) else [row] for row in rows)
    return text.getvalue().rstrip("\n").encode()


def _select(path: jsonpath.Path, row: Any) -> Any:
    try:
        return path.select(row)
    except PathError as error:
        raise JoinError(f"Fail to apply the JSONPath filter: {error}") from error


def _join(given: Any, answer: Any) -> Any:
    if isinstance(given, list) and isinstance(answer, list) and all(isinstance(one, str) for one in given):
        return given + answer  # rows of CSV
    return {**given, _OUTPUT: answer} if isinstance(given, dict) else {_INPUT: given, _OUTPUT: answer}
