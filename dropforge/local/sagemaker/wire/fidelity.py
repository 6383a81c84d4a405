"""What each operation's request may ask for here, as the tables of docs/local-sagemaker.md tell it.

`python -m dropforge.local.sagemaker.wire.fidelity` prints them.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dropforge.local.sagemaker.wire import protocol
from dropforge.local.sagemaker.wire.operation import Operation

HONOURED, UNUSED, REFUSED = "honoured", "no effect", "refused"


def members(shape: Any, path: str = "", above: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Give every member of a request with its path, what contains others before what it contains."""
    if shape.type_name == "list":
        yield from members(shape.member, f"{path}[]", above)
    if shape.type_name != "structure" or shape.name in above:
        return
    for name, member in shape.members.items():
        below = f"{path}.{name}" if path else name
        yield below, member
        yield from members(member, below, (*above, shape.name))


def standing(operation: Operation, path: str) -> tuple[str, str]:
    """Tell what a member means here, and why; what is not named follows what contains it."""
    parts = path.split(".")
    for end in range(len(parts), 0, -1):
        asked = ".".join(parts[:end]).removesuffix("[]")
        for names, what in ((operation.refused, REFUSED), (operation.unused, UNUSED)):
            if (why := names.get(asked)) is not None:
                return what, why
    return HONOURED, ""


def table(name: str, operation: Operation) -> Iterator[str]:
    """Give the lines of one operation's table: its members, and what differs below them or by value."""
    shape = protocol.service().operation_model(name).input_shape
    yield from (f"### {name}", "", "| Member | Here | Because |", "|---|---|---|")
    for path, _ in members(shape) if shape else ():
        what, why = standing(operation, path)
        above = path.rpartition(".")[0]
        if not above or (what, why) != standing(operation, above):
            yield f"| `{path}` | {what} | {why} |"
        for asked, told in operation.refused.items():
            if asked.partition("=")[0] == path and "=" in asked:
                yield f"| `{asked.replace('=', '` = `')}` | {REFUSED} | {told} |"
    yield ""


def document(operations: Mapping[str, Operation]) -> str:
    """Give all tables, in the order of their names, and the names of what is not here."""
    missing = sorted(set(protocol.service().operation_names) - set(operations))
    lines = [line for name in sorted(operations) for line in table(name, operations[name])]
    lines += ["### Not in the local cloud", "", f"{', '.join(f'`{name}`' for name in missing)}.", ""]
    return "\n".join(lines)


def main() -> None:
    from dropforge.local.sagemaker.service import SageMaker

    with tempfile.TemporaryDirectory() as home:
        made = SageMaker(Path(home), client=_nobody, emit=_nobody, speed=1, account="0" * 12, region="us-east-1")
        sys.stdout.write(document(made.operations))


def _nobody(*_: Any) -> Any:
    return None


if __name__ == "__main__":
    main()
