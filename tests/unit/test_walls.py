"""What tests are skipped for, where programs run without walls, is what the documentation says is missing there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.unit.docs import ROOT

_SECTION = "## Where the machine allows no namespaces"
_NOT_ON_LINUX = "on Linux"
"""Said of a row that is missing elsewhere only: there is a test of it, and it is not skipped where these tests run."""


def _rows() -> dict[str, str]:
    text = (ROOT / "docs" / "local-sagemaker.md").read_text().partition(f"{_SECTION}\n")[2].partition("\n## ")[0]
    found = re.findall(r"^\| (.+?) \| (.+) \|$", text, re.MULTILINE)
    return {what.replace("`", ""): without for what, without in found if what not in {"What", "---"}}


def _marks() -> Iterator[str]:
    for path in (ROOT / "tests").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.walls":
                (row,) = node.args
                yield ast.literal_eval(row)


def test_each_mark_names_a_row_of_the_documentation_and_each_row_has_a_mark() -> None:
    rows = _rows()
    assert set(_marks()) == {what for what, without in rows.items() if _NOT_ON_LINUX not in without}
    assert rows
