"""Open a photograph the way a person sees it, and refuse one that is made to exhaust memory. Needs Pillow."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PIXELS = 50_000_000
"""About 150 MB once decoded; a 109 KB PNG can claim 4.3 GB."""


class PictureError(ValueError):
    """Bytes that are no picture, or one that is too large to open."""


def image(source: str | os.PathLike[str] | bytes, *, max_pixels: int = MAX_PIXELS) -> Image:
    """Open a picture from a path or from bytes, decoded, and rotated as its EXIF says."""
    from PIL import Image as Pillow
    from PIL import ImageOps

    body = source if isinstance(source, bytes) else Path(source).read_bytes()
    try:
        picture = Pillow.open(io.BytesIO(body))
        # Only the header is read so far: the size is known before any memory is spent on it.
        _check_size(picture.width, picture.height, max_pixels)
        picture.load()
        return ImageOps.exif_transpose(picture)
    except PictureError:
        raise
    except (OSError, SyntaxError, ValueError, Pillow.DecompressionBombError) as error:
        raise PictureError(f"this is no picture that can be opened: {error}") from error


def _check_size(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise PictureError(f"the picture has {width}x{height} pixels; at most {max_pixels} are opened")
