"""A quick look at a request: what passes here, botocore's own validator would take; of the rest it is asked itself.

The validator walks the model anew for each of the millions of calls of a proof; here each shape is read once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Sound = Callable[[Any], bool]
_SCALARS: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "blob": (bytes, str),
    "boolean": bool,
    "integer": int,
    "long": int,
    "float": (int, float),
    "double": (int, float),
}


def sound(shape: Any) -> Sound:
    """Give what tells whether a value is surely one of this shape; it may say no of one that is."""
    kind = shape.type_name
    if getattr(shape, "serialization", {}).keys() & {"jsonvalue", "hostLabel"}:
        return _never
    match kind:
        case "structure":
            return _never if shape.is_document_type else _structure(shape)
        case "map":
            return _map(shape.key, shape.value)
        case "list":
            return _list(shape.member, shape.metadata.get("min", 0))
        case _:
            return _scalar(_SCALARS.get(kind, ()), shape.metadata.get("min"), counted=kind == "string")


def _never(_: Any) -> bool:
    return False


class _Read(dict[str, Sound]):
    """How the parts of a shape are looked at, each read when it is first met: shapes hold themselves."""

    def __init__(self, shapes: Mapping[str, Any]) -> None:
        self.shapes = shapes

    def __missing__(self, name: str) -> Sound:
        self[name] = sound(self.shapes[name]) if name in self.shapes else _never
        return self[name]


def _structure(shape: Any) -> Sound:
    parts = _Read(shape.members)
    required, union = frozenset(shape.metadata.get("required", ())), shape.is_tagged_union

    def check(value: Any) -> bool:
        if type(value) is not dict or not required <= value.keys() or (union and len(value) != 1):
            return False
        return all(parts[name](part) for name, part in value.items())

    return check


def _map(key: Any, part: Any) -> Sound:
    parts = _Read({"key": key, "part": part})

    def check(value: Any) -> bool:
        return type(value) is dict and all(map(parts["key"], value)) and all(map(parts["part"], value.values()))

    return check


def _list(part: Any, least: int) -> Sound:
    parts = _Read({"part": part})

    def check(value: Any) -> bool:
        return isinstance(value, list | tuple) and len(value) >= least and all(map(parts["part"], value))

    return check


def _scalar(types: type | tuple[type, ...], least: float | None, *, counted: bool) -> Sound:
    def check(value: Any) -> bool:
        if not isinstance(value, types):
            return False
        size: Any = len(value) if counted else value  # type: ignore[arg-type] # what is counted is a string
        return least is None or size >= least

    return check
