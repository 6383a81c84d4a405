"""The noes of the inference route that the rest of the house does not know."""

from __future__ import annotations

from chalicelib.errors import DropforgeError
from chalicelib.predict.limits import BODY_LIMIT


class UnreadableBodyError(DropforgeError):
    """The body cannot be read."""

    status = 400
    code = "unreadable-body"


class UnsupportedTypeError(DropforgeError):
    """This content type is not taken."""

    status = 415
    code = "unsupported-type"


class TooLargeError(DropforgeError):
    """The body is too large."""

    status = 413
    code = "too-large"

    def __init__(self, size: int) -> None:
        super().__init__(f"The body has {size} bytes; at most {BODY_LIMIT} bytes are taken.", size=size)


class RelabellingError(DropforgeError):
    """This model is being replaced by one with other labels, and its answer does not say which of them it is from."""

    status = 503
    code = "relabelling"
    retryable = True


class NotLiveError(DropforgeError):
    """No model is live here."""

    status = 503
    code = "not-live"
    retryable = True
