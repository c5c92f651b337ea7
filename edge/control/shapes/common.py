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
    """The base of every request body but those of nodes, whose release may be newer than this one: what they say more
    is skipped, since regions are upgraded first."""


class AnswerBody(msgspec.Struct, frozen=True, kw_only=True):
    """The base of every answer."""


class DamageView(AnswerBody, frozen=True, kw_only=True):
    """One thing of the store that workers cannot serve: `grain` and `name` say what of the app it is, `effect` what its
    devices get, `cause` what was found, `repair` what to do."""

    app: str
    grain: str
    name: str
    effect: str
    cause: str
    repair: str


class NotTakenView(AnswerBody, frozen=True, kw_only=True):
    """What workers did not take of a change that was made: what of the app they cannot serve now, and how many workers
    did not answer in time and may serve it late."""

    damaged: list[DamageView]
    silent_workers: int


class ChangeAnswer(AnswerBody, frozen=True, kw_only=True):
    """`revision` is the app's after the change; `changed` is false if the change altered nothing or had landed
    before."""

    app: str
    revision: int
    changed: bool
