"""What the demo draws at its end fits on the terminal that shows it."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from examples.digits import report


@pytest.mark.parametrize(("width", "pictures"), [(200, 6), (109, 6), (108, 5), (80, 4), (20, 1), (5, 1)])
def test_as_many_pictures_are_drawn_as_fit_beside_each_other(tmp_path: Path, width: int, pictures: int) -> None:
    assert report.fitting(width) == pictures
    seven = tmp_path / "7.png"
    Image.new("L", (8, 8), 255).save(seven)
    lines = report.side_by_side([report.Asked(seven, "7", "7", 1.0, 0.1)] * pictures)
    assert all(len("   " + line) <= width for line in lines) or pictures == 1
