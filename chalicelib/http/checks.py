"""Checks: what intake would say of a pipeline folder and a dataset, before anything is uploaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalice.app import IAMAuthorizer, Request

from chalicelib import wiring
from chalicelib.decide.stage import stage_of
from chalicelib.errors import InvalidError
from chalicelib.http import order
from chalicelib.http.door import Door
from chalicelib.http.order import Order
from chalicelib.names import run12

if TYPE_CHECKING:
    from chalicelib.decide.changes import Edit
    from chalicelib.flows.checks import Drop, File, PipelineFolder, Serving, Training, Verdict

Json = dict[str, Any]
_FILE = "[path, size] or [path, size, md5 in hex]"

door = Door(__name__, authorizer=IAMAuthorizer())


@door.post("/v1/checks")
def check(request: Request) -> Json:
    """Judge what would be pushed and dropped; nothing is written."""
    from chalicelib.flows.checks import Check

    world = wiring.flows().world
    asked = order.read(request, world.clock(), "name", "toml", "files", "count", "dataset")
    drop = _drop(asked)
    return body(Check(world, given := _folder(asked), drop).verdict(), given, drop)


def _folder(asked: Order) -> PipelineFolder:
    from chalicelib.flows.checks import PipelineFolder

    files = _files(asked.fields.get("files"), "files")
    return PipelineFolder(
        asked.text("name") or "", asked.text("toml") or "", files, asked.number("count") or len(files)
    )


def _drop(asked: Order) -> Drop | None:
    from chalicelib.flows.checks import Drop

    if "dataset" not in asked.fields:
        return None
    said = asked.table("dataset")
    known = ("name", "files", "channels", "single", "overrides")
    for field in said:
        if field not in known:
            raise InvalidError(f'There is no field "dataset.{field}" here; there are {", ".join(known)}.')
    name, overrides, single = said.get("name"), said.get("overrides"), said.get("single", False)
    if not isinstance(name, str) or not isinstance(overrides, str | None) or not isinstance(single, bool):
        raise InvalidError('"dataset" has a name and perhaps overrides, which are text, and single, true or false.')
    return Drop(name, _files(said.get("files"), "dataset.files"), _channels(said.get("channels")), single, overrides)


def _files(said: object, field: str) -> tuple[File, ...]:
    if not isinstance(said, list):
        raise InvalidError(f'"{field}" is a list of {_FILE}.')
    return tuple(_file(each, field) for each in said)


def _file(said: object, field: str) -> File:
    from chalicelib.flows.checks import File

    match said:
        case [str(path), int(size), *rest] if path and size >= 0 and not isinstance(size, bool):
            match rest:
                case [] | [None]:
                    return File(path, size)
                case [str(md5)]:
                    return File(path, size, md5)
    raise InvalidError(f'"{field}" is a list of {_FILE}.')


def _channels(said: object) -> dict[str, tuple[int, int]]:
    counted: dict[str, tuple[int, int]] = {}
    for name, counts in (said if isinstance(said, dict) else {"": None}).items():
        match counts:
            case [int(objects), int(size)]:
                counted[name] = objects, size
            case _:
                raise InvalidError('"dataset.channels" is an object of channel: [files, bytes].')
    return counted


def body(verdict: Verdict, given: PipelineFolder, drop: Drop | None) -> Json:
    return {
        "pipeline": given.name,
        "ok": verdict.ok,
        "problems": [{"line": it.line, "key": it.key or None, "message": it.message} for it in verdict.problems],
        "dataset": _dataset(verdict, drop) if drop else None,
        "would": {
            **_training(verdict.training, verdict.serving),
            "release": _release(verdict.serving) if verdict.serving else None,
        },
        "notes": list(verdict.notes),
    }


def _dataset(verdict: Verdict, drop: Drop) -> Json:
    refusal = verdict.refusal
    return {
        "name": drop.name,
        "ok": refusal is None,
        "reason": refusal.reason if refusal else None,
        "todo": refusal.todo if refusal else None,
        "channels": [{"name": it, "objects": of, "bytes": size} for it, (of, size) in sorted(drop.channels.items())],
    }


def _training(found: Training | None, serving: Serving | None) -> Json:
    if found is None:
        return {"train": False, "why": "it would be refused", "run": None, "stage": None, "job": None, "training": []}
    release = serving.release if serving else None
    return {
        "train": found.trains,
        "why": found.why,
        "run": run12(found.id) if found.id else None,
        "stage": stage_of(found.run, release) if found.run else None,
        "job": found.job,
        "training": [_edit(edit, "accepted") for edit in found.edits],
    }


def _release(found: Serving) -> Json:
    live = found.release.live if found.release else None
    return {
        "live": {"run": run12(live.run), "model_version": live.model_version} if live else None,
        "rolls_out": found.rolls_out,
        "what": found.what,
        "changes": [_edit(edit, "live") for edit in found.edits],
    }


def _edit(edit: Edit, now: str) -> Json:
    return {"key": edit.key, now: edit.before, "new": edit.after}
