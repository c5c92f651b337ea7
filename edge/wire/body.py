"""JSON bodies: what JavaScript servers accept is valid here, and what is written no text from a device can break.

Also the protocol's refusal. No field is known here; `members` reads them.
"""

import json

import orjson

BODY_LIMIT_BYTES = 64 << 10  # of a check: a real one has about 600 bytes, and an app may add custom fields


class WireError(Exception):
    """A request that the protocol refuses: `status` and `body` are the whole answer (PROTOCOL.md §1.3)."""

    def __init__(self, status: int, code: str, message: str, more: dict[str, object] | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.body = encode_json({"error": code, "message": message, "moreInfo": more or {}})


def encode_json(value: object) -> bytes:
    """Compact JSON in UTF-8. Invalid Unicode is escaped, never an error."""
    try:
        return orjson.dumps(value)
    except TypeError:  # a lone surrogate; orjson refuses to write what is not UTF-8
        return json.dumps(value, separators=(",", ":")).encode()


def require_size(body: bytes, limit_bytes: int) -> None:
    """Raises WireError 413 `body_too_large`."""
    if len(body) > limit_bytes:
        raise WireError(413, "body_too_large", f"The body has more than {limit_bytes} bytes")


def valid_text(text: str) -> str:
    """The text with everything replaced that UTF-8 cannot express."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
