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
    status = 400


class Unauthorized(EdgeError):
    status = 401


class Forbidden(EdgeError):
    status = 403


class NotFound(EdgeError):
    status = 404


class Conflict(EdgeError):
    status = 409


class TooLarge(EdgeError):
    status = 413


class Invalid(EdgeError):
    status = 422


class Unavailable(EdgeError):
    status = 503
