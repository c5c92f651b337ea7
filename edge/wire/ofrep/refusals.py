"""What a request for features is refused with, in the protocol's words (OFREP.md §5)."""

import enum
import re

from edge.wire.body import encode_json

KEY_SHOWN_LIMIT = 64  # characters of a feature's name that an error repeats: no feature has a longer one

_UNSAFE = re.compile(r"[^ -~]")


class OfrepCode(enum.Enum):
    """Those that the published clients know."""

    PARSE_ERROR = "PARSE_ERROR"
    TARGETING_KEY_MISSING = "TARGETING_KEY_MISSING"
    INVALID_CONTEXT = "INVALID_CONTEXT"
    FLAG_NOT_FOUND = "FLAG_NOT_FOUND"
    GENERAL = "GENERAL"


class OfrepRefused(Exception):
    """`status` and `body` are the whole answer. Details name an attribute, never its value: contexts are private."""

    def __init__(self, status: int, code: OfrepCode, details: str) -> None:
        super().__init__(f"{code.value}: {details}")
        self.status, self.code, self.details = status, code, details

    @property
    def body(self) -> bytes:
        return encode_json({"errorCode": self.code.value, "errorDetails": self.details})


def encode_feature_fault(key: str, code: OfrepCode, details: str) -> bytes:
    """The failure of one feature, alone or among others of a bulk answer."""
    shown = _UNSAFE.sub("?", key[:KEY_SHOWN_LIMIT])
    return encode_json({"key": shown, "errorCode": code.value, "errorDetails": details})


def invalid_context(details: str) -> OfrepRefused:
    return OfrepRefused(400, OfrepCode.INVALID_CONTEXT, details)


def unreadable_body(details: str) -> OfrepRefused:
    return OfrepRefused(400, OfrepCode.PARSE_ERROR, details)
