"""JSON bodies: read as leniently as JavaScript servers do, written so that no text from a device can break them.

Also the protocol's refusal. No field is known here.
"""

import json
from typing import Any, NoReturn

import msgspec
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


def read_json(body: bytes, limit_bytes: int) -> Any:
    """The value of a body. Raises WireError 413 `body_too_large`, 400 `invalid_json_parse_body`.

    Invalid UTF-8 and lone surrogates are replaced, as the hosted service's runtime does, so that every text in the
    value can be written as UTF-8.
    """
    if len(body) > limit_bytes:
        raise WireError(413, "body_too_large", f"The body has more than {limit_bytes} bytes")
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _read_leniently(body)


def valid_text(text: str) -> str:
    """The text with everything replaced that UTF-8 cannot express."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _read_leniently(body: bytes) -> Any:
    try:
        text = body.decode("utf-8", "replace")
        return json.loads(text, object_pairs_hook=_valid_pairs, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise WireError(400, "invalid_json_parse_body", "Invalid JSON body") from error


def _valid_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {valid_text(key): valid_text(value) if isinstance(value, str) else value for key, value in pairs}


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")  # Python accepts NaN and Infinity, the standard does not
