"""Keys for a bucket from a file that an operator, or a secrets agent, writes: read again while the node runs.

The format is that of the file `~/.aws/credentials`. Without a file, the client takes keys from the environment
(`AWS_ACCESS_KEY_ID` and its kin, a web identity token, a container's address), then from the instance's metadata.
"""

import configparser
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from edge.domain.errors import Forbidden

READ_AGAIN_SECONDS = 60.0  # how late keys that an agent has renewed are taken
FILE_LIMIT_BYTES = 64 << 10  # a session token has 2 kB
PROFILE = "default"


class BucketKeys(NamedTuple):
    """`session` and `region` may be empty."""

    access: str
    secret: str
    session: str
    region: str

    def __repr__(self) -> str:
        return "BucketKeys(…)"


def read_keys(path: Path) -> BucketKeys:
    """Raises Forbidden `unsafe_credentials_file` or `bad_credentials_file`; no message has a key."""
    try:
        mode = path.stat().st_mode
        content = path.read_bytes()[:FILE_LIMIT_BYTES]
    except OSError as error:
        raise Forbidden("bad_credentials_file", f"{path} cannot be read: {error.strerror}") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        shown = f"{stat.S_IMODE(mode):04o}"
        raise Forbidden("unsafe_credentials_file", f"{path} has mode {shown}: others can use its keys; chmod 600 it")
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(content.decode())
        profile = parser[PROFILE]
        access, secret = profile["aws_access_key_id"], profile["aws_secret_access_key"]
    except (configparser.Error, ValueError, KeyError):
        wanted = f"a section [{PROFILE}] with aws_access_key_id and aws_secret_access_key"
        # From none: the parser's words repeat a line of the file.
        raise Forbidden("bad_credentials_file", f"{path} does not have what is needed: {wanted}") from None
    return BucketKeys(access, secret, profile.get("aws_session_token", ""), profile.get("region", ""))


class KeysFile:
    """What the client asks for keys; it does so again when `READ_AGAIN_SECONDS` are over."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self) -> dict[str, object]:
        keys = read_keys(self._path)
        return {
            "access_key_id": keys.access,
            "secret_access_key": keys.secret,
            "token": keys.session or None,
            "expires_at": datetime.now(UTC) + timedelta(seconds=READ_AGAIN_SECONDS),
        }
