"""What a client sent, read from API Gateway's proxy event: cheap checks first, and the image is never decoded.

A small PNG may unpack into gigabytes: that is the container's business, which has its own limits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import pybase64

from chalicelib.errors import InvalidError, NotFoundError
from chalicelib.media import is_text
from chalicelib.predict.limits import BODY_LIMIT
from chalicelib.predict.refusals import TooLargeError, UnreadableBodyError, UnsupportedTypeError

NAME_LIMIT = 63
_ISO_MEDIA = ("image/avif", "image/heic", "image/heif")
_SIGNATURES: Mapping[str, tuple[bytes, ...]] = {
    "image/bmp": (b"BM",),
    "image/gif": (b"GIF87a", b"GIF89a"),
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/tiff": (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+"),
}


class Request(NamedTuple):
    """A request as it came: `body` is text still, base64 where `encoded`."""

    model: str
    content_type: str
    """The media type alone, in small letters; "" where the client named none."""
    body: str
    encoded: bool


def read(event: Mapping[str, Any]) -> Request:
    """Read the event; refuse what needs no look at the model."""
    if event.get("httpMethod") != "POST":
        raise InvalidError("A model is asked with POST.")
    model = (event.get("pathParameters") or {}).get("model") or ""
    if not 0 < len(model) <= NAME_LIMIT or not model.isascii():
        raise NotFoundError("There is no model by that name.")
    body = event.get("body") or ""
    if not body:
        raise UnreadableBodyError("The body is empty; send the bytes of an image.")
    return Request(model, _media_type(event.get("headers") or {}), body, event.get("isBase64Encoded") is True)


def check_type(request: Request, accept: tuple[str, ...]) -> None:
    if request.content_type not in {_plain(taken) for taken in accept}:
        named = f'The content type "{request.content_type}" is' if request.content_type else "No content type is"
        raise UnsupportedTypeError(f"{named} not taken here; send one of: {', '.join(accept)}.")


def payload(request: Request) -> bytes:
    """Give the bytes that the client sent, within the limit and, for an image, beginning as one."""
    size = len(request.body) * 3 // 4 if request.encoded else len(request.body)
    if size > BODY_LIMIT + 2:  # the padding of base64 hides at most two bytes
        raise TooLargeError(size)
    sent = _decoded(request)
    if len(sent) > BODY_LIMIT:
        raise TooLargeError(len(sent))
    if not sent or not _begins_right(request.content_type, sent):
        raise UnreadableBodyError(f"The body does not begin like {request.content_type}.")
    return sent


def _decoded(request: Request) -> bytes:
    if not request.encoded:
        return _text(request)
    try:
        return pybase64.b64decode(request.body, validate=True)
    except ValueError as error:  # binascii.Error is one
        raise UnreadableBodyError("The body is not base64, as the gateway should have made it.") from error


def _text(request: Request) -> bytes:
    """Take text as it is; bytes that came as text were mangled on their way, and no reading makes them whole."""
    if not is_text(request.content_type):
        raise UnreadableBodyError(f"The body did not arrive as bytes; {request.content_type} must be sent raw.")
    return request.body.encode()


def _begins_right(content_type: str, sent: bytes) -> bool:
    if content_type == "image/webp":
        return sent[:4] == b"RIFF" and sent[8:12] == b"WEBP"
    if content_type in _ISO_MEDIA:
        return sent[4:8] == b"ftyp"
    return sent.startswith(_SIGNATURES.get(content_type, (b"",)))


def _media_type(headers: Mapping[str, str]) -> str:
    named = next((value for name, value in headers.items() if name.lower() == "content-type"), "") or ""
    return _plain(named.partition(";")[0])


def _plain(media_type: str) -> str:
    plain = media_type.strip().lower()
    return "image/jpeg" if plain == "image/jpg" else plain
