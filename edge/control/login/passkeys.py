"""Passkeys: what a browser is asked, and what is believed of its answers. `webauthn` does the cryptography.

The authenticator has to verify its user, and a challenge is used once, within minutes. A sign count that falls is told,
not refused: synced passkeys count nothing, and a person must not be locked out by a restored phone.
"""

from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AttestationConveyancePreference,
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from edge.control.login.credential_document import Passkey
from edge.domain.errors import Forbidden, Malformed

CHALLENGE_SECONDS = 300.0
ASKED_MS = 120_000  # how long a browser asks the person
ANSWER_LIMIT = 32 * 1024  # characters of a browser's answer: an attestation has some 1 kB
PASSKEY_ID_LIMIT = 1_400  # characters: 1023 bytes in base64
KEY_LIMIT_BYTES = 2_048  # a public key in COSE: RSA's has 270 bytes
_ALGORITHMS = [
    COSEAlgorithmIdentifier.EDDSA,
    COSEAlgorithmIdentifier.ECDSA_SHA_256,
    COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256,
]


class PasskeyPlace(NamedTuple):
    """Where passkeys work: the page's name, to which they are bound, and its origin."""

    host: str
    origin: str


class PasskeyUsed(NamedTuple):
    """`fell`: the authenticator has counted less than before, so there may be two of it."""

    sign_count: int
    fell: bool


class _Answer(msgspec.Struct):
    id: str
    response: "_Response"


class _Response(msgspec.Struct):
    userHandle: str | None = None


_answers = msgspec.json.Decoder(_Answer)


def no_passkeys_here(origin: str) -> str:
    """Why a page at this origin has no passkeys, in a sentence; "" if it can have them."""
    parts = urlsplit(origin)
    host = parts.hostname or ""
    if host != "localhost" and (":" in host or host.replace(".", "").isdigit()):
        return "Passkeys are bound to a name, and this page is open at an IP address: open it by its name."
    if parts.scheme != "https" and host != "localhost":
        return "Browsers offer passkeys over https alone, and this page is open over plain http."
    return ""


def place_of(origin: str) -> PasskeyPlace:
    """Raises Forbidden `no_passkeys_here`."""
    if reason := no_passkeys_here(origin):
        raise Forbidden("no_passkeys_here", reason)
    return PasskeyPlace(urlsplit(origin).hostname or "", origin)


def registration_options(
    place: PasskeyPlace, mail: str, handle: str, known: Sequence[Passkey], challenge: bytes
) -> str:
    """JSON, as browsers parse it: a passkey that is found without a name, of an authenticator that has none yet."""
    return options_to_json(
        generate_registration_options(
            rp_id=place.host,
            rp_name="edge",
            user_id=base64url_to_bytes(handle),
            user_name=mail,
            user_display_name=mail,
            challenge=challenge,
            timeout=ASKED_MS,
            attestation=AttestationConveyancePreference.NONE,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
            ),
            exclude_credentials=[PublicKeyCredentialDescriptor(id=base64url_to_bytes(each.id)) for each in known],
            supported_pub_key_algs=_ALGORITHMS,
        )
    )


def login_options(place: PasskeyPlace, challenge: bytes) -> str:
    """JSON, as browsers parse it: any passkey of this page."""
    return options_to_json(
        generate_authentication_options(
            rp_id=place.host,
            challenge=challenge,
            timeout=ASKED_MS,
            user_verification=UserVerificationRequirement.REQUIRED,
        )
    )


def register(answer: str, place: PasskeyPlace, challenge: bytes, name: str, now: float) -> Passkey:
    """The passkey that a browser made. Raises Malformed, Forbidden `passkey_refused`."""
    _parse(answer)
    try:
        made = verify_registration_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=place.host,
            expected_origin=place.origin,
            require_user_verification=True,
            supported_pub_key_algs=_ALGORITHMS,
        )
    except (WebAuthnException, ValueError, KeyError, TypeError) as error:
        raise _refused("the new passkey") from error
    if len(made.credential_public_key) > KEY_LIMIT_BYTES:
        raise _refused("the new passkey")
    return Passkey(
        id=bytes_to_base64url(made.credential_id),
        key=bytes_to_base64url(made.credential_public_key),
        host=place.host,
        name=name,
        sign_count=made.sign_count,
        made=now,
    )


def id_of(answer: str) -> str:
    """Which passkey a browser answers with. Raises Malformed `invalid_passkey`."""
    return _parse(answer).id


def check_login(answer: str, place: PasskeyPlace, challenge: bytes, passkey: Passkey, handle: str) -> PasskeyUsed:
    """Raises Malformed `invalid_passkey`, Forbidden `passkey_refused`."""
    if _parse(answer).response.userHandle != handle:
        raise _refused("the passkey")
    try:
        used = verify_authentication_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=place.host,
            expected_origin=place.origin,
            credential_public_key=base64url_to_bytes(passkey.key),
            credential_current_sign_count=0,  # compared here: a fall is told, not refused
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, KeyError, TypeError) as error:
        raise _refused("the passkey") from error
    count = used.new_sign_count
    return PasskeyUsed(count, fell=count <= passkey.sign_count and passkey.sign_count > 0)


def _parse(answer: str) -> _Answer:
    if len(answer) > ANSWER_LIMIT:
        raise Malformed("invalid_passkey", "the browser's answer is too long")
    try:
        parsed = _answers.decode(answer)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Malformed("invalid_passkey", "the browser's answer is not a passkey's") from error
    if not 0 < len(parsed.id) <= PASSKEY_ID_LIMIT:
        raise Malformed("invalid_passkey", "the browser's answer names no passkey")
    return parsed


def _refused(what: str) -> Forbidden:
    return Forbidden("passkey_refused", f"{what} did not prove itself: try again, on this page")
