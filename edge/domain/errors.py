"""Errors that are the caller's fault: a stable code, an HTTP status and a message that is safe to show."""

from typing import ClassVar


class EdgeError(Exception):
    """`code` is stable and machine-readable; the message names what is wrong and never contains a secret."""

    status: ClassVar[int] = 400

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Malformed(EdgeError):
    """The request cannot be parsed, or has a parameter that the operation does not take."""

    status = 400


class Unauthorized(EdgeError):
    """No valid token."""

    status = 401


class Forbidden(EdgeError):
    """The token's role or app does not allow the operation."""

    status = 403


class NotFound(EdgeError):
    """Something named in the request does not exist."""

    status = 404


class Conflict(EdgeError):
    """The request does not fit the present state."""

    status = 409


class TooLarge(EdgeError):
    """The request exceeds a limit of bytes."""

    status = 413


class Invalid(EdgeError):
    """The request is well formed, and a value in it is not valid."""

    status = 422


class Unavailable(EdgeError):
    """The node cannot do it now; the same request may succeed later."""

    status = 503


class OutOfRoom(Unavailable):
    """The disk is full or cannot be written; everything that does not write goes on."""

    status = 507
