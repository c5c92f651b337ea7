"""What all bodies and answers of the control API share.

They are Structs: decoded, encoded and shown in the OpenAPI document. Requests refuse unknown fields: a misspelt
setting must not be taken for an absent one.
"""

import msgspec


class ErrorAnswer(msgspec.Struct, frozen=True):
    """`error` is a stable code, `message` is for people."""

    error: str
    message: str


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every request body has in common."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What every answer has in common."""
