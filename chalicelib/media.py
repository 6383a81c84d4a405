"""Media types: what the gateway hands over as bytes, and what it hands over as text. Light: predict needs it."""

from __future__ import annotations

BINARY_TYPES = (
    "application/octet-stream",
    "application/x-npy",
    "image/avif",
    "image/bmp",
    "image/gif",
    "image/heic",
    "image/heif",
    "image/jpeg",
    "image/jpg",
    "image/png",
    "image/tiff",
    "image/webp",
)
"""What comes as bytes (in base64). The gateway matches exactly: `image/*` would match nothing."""


def is_text(media_type: str) -> bool:
    """Tell whether a body of that type survives being handed over as text, as every type but BINARY_TYPES is."""
    return media_type.startswith("text/") or media_type.endswith(("/json", "+json", "/jsonlines", "/xml", "+xml"))
