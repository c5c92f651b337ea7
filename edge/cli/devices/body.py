"""A device's question from a file or stdin, as `--body` takes it: checked to be JSON before it is sent anywhere."""

from typing import IO

import msgspec

from edge.domain.errors import Invalid, TooLarge

BODY_LIMIT_BYTES = 1024 * 1024  # what the control port takes; a device's check has about 500 bytes


def read_body(stream: IO[bytes]) -> bytes:
    """Raises TooLarge `body_too_large`, Invalid `invalid_json`."""
    content = stream.read(BODY_LIMIT_BYTES + 1)
    if len(content) > BODY_LIMIT_BYTES:
        raise TooLarge("body_too_large", f"--body: larger than {BODY_LIMIT_BYTES} bytes")
    try:
        msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Invalid("invalid_json", f"--body: not JSON: {error}") from error
    return content
