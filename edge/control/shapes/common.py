"""What all bodies and answers of the control API share.

They are Structs: decoded, encoded and shown in the OpenAPI document. Requests refuse unknown fields: a misspelt
setting must not be taken for an absent one.
"""

from typing import Annotated

import msgspec

WHOLE_LIMIT = 2**53 - 1  # the largest whole number that every JSON reader holds exactly

Whole = Annotated[int, msgspec.Meta(ge=0, le=WHOLE_LIMIT)]


class ErrorAnswer(msgspec.Struct, frozen=True):
    """`error` is a stable code, `message` is for people."""

    error: str
    message: str


class RequestBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every request body has in common."""


class AnswerBody(msgspec.Struct, frozen=True, kw_only=True):
    """What every answer has in common."""
