"""What the head of a request for features says, as both ways in read it."""

from hashlib import sha256

import msgspec

from edge.domain.errors import Invalid
from edge.domain.model import AppId, parse_app_id
from edge.wire.ofrep.conditions import ConfigTag, entity_tags, hint_in

KEY_LIMIT = 256  # characters of a key that are read: ours have up to 64

_BEARER = "bearer "


class FeatureAsk(msgspec.Struct, frozen=True):
    """`key` is the digest of the key that was given, "" without one. `held` are the entity tags of answers that the
    client has, `heard` the state of the features that it has heard of."""

    app: AppId
    key: str
    held: frozenset[str] = frozenset()
    heard: ConfigTag | None = None


def read_ask(
    app: str, query: str = "", authorization: str = "", api_key: str = "", if_none_match: str = ""
) -> FeatureAsk | None:
    """None if no app can have this id. Credentials of another scheme, such as a proxy's, are no key."""
    try:
        asked = parse_app_id(app)
    except Invalid:
        return None
    key = authorization[len(_BEARER) :] if authorization[: len(_BEARER)].lower() == _BEARER else api_key
    held = entity_tags(if_none_match) if if_none_match else frozenset[str]()
    return FeatureAsk(asked, digest_of_key(key.strip()), held, hint_in(query) if query else None)


def digest_of_key(key: str) -> str:
    """64 hexadecimal characters, "" for no key. Anything longer than a key is none that we made."""
    return sha256(key[:KEY_LIMIT].encode("utf-8", "surrogateescape")).hexdigest() if key else ""
