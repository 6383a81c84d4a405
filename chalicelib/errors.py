"""One tree of errors: each knows its HTTP status, its code and whether a retry helps."""

from __future__ import annotations

from typing import Any


class DropforgeError(Exception):
    """Something went wrong."""

    status = 500
    code = "internal-error"
    retryable = False

    def __init__(self, message: str = "", **facts: Any) -> None:
        """Facts become attributes; without a message the class's docstring speaks."""
        super().__init__(message or (type(self).__doc__ or "").strip())
        self.facts = facts

    @property
    def message(self) -> str:
        return str(self.args[0])


class BadSettingError(DropforgeError):
    """A setting of this deployment is wrong."""

    code = "bad-setting"


class InvalidError(DropforgeError):
    """The request cannot be understood."""

    status = 400
    code = "invalid-request"


class NotFoundError(DropforgeError):
    """There is nothing by that name."""

    status = 404
    code = "not-found"


class ConflictError(DropforgeError):
    """Somebody else changed it first; look again and decide again."""

    status = 409
    code = "conflict"
    retryable = True


class NotNowError(DropforgeError):
    """That makes no sense in the present state."""

    status = 409
    code = "not-now"


class ThrottledError(DropforgeError):
    """AWS asks to slow down."""

    status = 429
    code = "throttled"
    retryable = True


class QuotaError(ThrottledError):
    """The account's quota has no room for it now."""

    code = "quota-exceeded"


class AlreadyExistsError(DropforgeError):
    """That name is taken."""

    status = 409
    code = "already-exists"


class UnavailableError(DropforgeError):
    """A service we depend on does not answer."""

    status = 503
    code = "unavailable"
    retryable = True


class RefusedError(DropforgeError):
    """A no before spending: what was given cannot be used as it is."""

    status = 422
    code = "refused"


class InvocationError(DropforgeError):
    """The model's container answered with an error."""

    status = 502
    code = "model-error"
    retryable = True


class InvocationTimeoutError(DropforgeError):
    """The model's container did not answer in time."""

    status = 504
    code = "model-timeout"
    retryable = True
