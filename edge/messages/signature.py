"""How a webhook's receiver knows that a message is from this node, and new: HMAC-SHA256 over id, time and body.

The headers and the form of the secret are those of the Standard Webhooks specification, so its libraries verify them.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping

SIGNING_PREFIX = "whsec_"  # lets scanners of repositories and logs find leaked secrets
SIGNING_BYTES = 32

ID_HEADER = "webhook-id"
TIME_HEADER = "webhook-timestamp"
SIGNATURE_HEADER = "webhook-signature"


def new_signing_secret() -> str:
    """256 random bits in base64, with the prefix."""
    return SIGNING_PREFIX + base64.b64encode(secrets.token_bytes(SIGNING_BYTES)).decode()


def sign_message(secret: str, message_id: str, seconds: int, body: bytes) -> Mapping[str, str]:
    """The three headers. `seconds` is when it is sent, since the epoch: it is signed too, so a receiver that refuses
    old ones cannot be sent a recorded message again."""
    key = base64.b64decode(secret.removeprefix(SIGNING_PREFIX))
    signed = f"{message_id}.{seconds}.".encode() + body
    signature = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    return {ID_HEADER: message_id, TIME_HEADER: str(seconds), SIGNATURE_HEADER: f"v1,{signature}"}
