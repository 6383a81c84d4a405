"""The routes of both doors; what they share stands in replies.py and query.py."""

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
"""What the gateway hands over as bytes (in base64). It matches exactly: `image/*` would match nothing."""
