"""What all request bodies and answers of the control API share.

They are Structs: decoded, encoded and described in the OpenAPI document. Moments are in seconds since the epoch, shares
are percentages as text (`12.5%`), which lose no digit. Request bodies refuse unknown fields: a misspelt setting must
not pass for an absent one.
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
    """The base of every request body."""


class AnswerBody(msgspec.Struct, frozen=True, kw_only=True):
    """The base of every answer."""


class ChangeAnswer(AnswerBody, frozen=True, kw_only=True):
    """`revision` is the app's after the change; `changed` is false if the change altered nothing or had landed
    before."""

    app: str
    revision: int
    changed: bool
