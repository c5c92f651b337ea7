"""A device's request body from a file or stdin, as --body takes it; checked to be JSON before it is sent."""

from typing import IO

import msgspec

from edge.domain.errors import Invalid, TooLarge

BODY_LIMIT_BYTES = 1024 * 1024  # what the control API accepts; a device's check has about 500 bytes


def read_body(stream: IO[bytes]) -> bytes:
    """Raises TooLarge `body_too_large`, Invalid `invalid_json`."""
    content = stream.read(BODY_LIMIT_BYTES + 1)
    if len(content) > BODY_LIMIT_BYTES:
        raise TooLarge("body_too_large", f"--body exceeds the limit of {BODY_LIMIT_BYTES} bytes")
    try:
        msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Invalid("invalid_json", f"--body is not JSON: {error}") from error
    return content
