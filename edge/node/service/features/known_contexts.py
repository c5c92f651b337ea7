"""The bodies that a worker has understood, by their words without the targeting key: what they say is read once.

Most clients of an app send the same words around their own key. What they mean is shown by trial: with several keys
each body is parsed, the key must come out as it is, and nothing else may differ. Strangers push out only each other.
"""

from edge.domain.model import DeviceId
from edge.node.service.limits.memory import Memory
from edge.wire.ofrep.context import UUID_CHARACTERS, AskedContext, SaidAttributes, is_uuid, parse_context
from edge.wire.ofrep.refusals import OfrepRefused

CONTEXTS_LIMIT = 6_000  # of all apps, some 1.5 kB each: releases, systems and plans in use
TEMPLATE_LIMIT_BYTES = 768  # a real context has 100 to 500; a longer one is parsed

_NAME = b'"targetingKey":"'
_PLAIN = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.:@+"  # means itself in any JSON text
_TRIALS = (b"01234567-89ab-cdef-0123-456789abcdef", b"FEDCBA98-7654-3210-FEDC-BA9876543210", b"Az09-_.:@+", b"x" * 64)


class KnownContexts:
    """`read` parses as `parse_context` does, and often without parsing."""

    def __init__(self) -> None:
        self._known = Memory[tuple[bytes, str], tuple[str, SaidAttributes]](CONTEXTS_LIMIT)

    def read(self, body: bytes, country: str) -> AskedContext:
        """Raises OfrepRefused."""
        cut = cut_key(body)
        if cut is None:
            return parse_context(body, country)
        template, key, at = cut
        words = template, country
        known = self._known.get(words) or self._known.find(words)
        if known is not None:
            is_device = len(key) == UUID_CHARACTERS and is_uuid(key)
            if is_device:
                key = key.lower()
            return AskedContext(key, DeviceId(key.decode()), is_device, *known)
        asked = parse_context(body, country)
        if len(template) <= TEMPLATE_LIMIT_BYTES and _is_shown(template, at, asked, country):
            self._known.note(words, (asked.custom_id, asked.said))
        return asked

    def knows(self, words: bytes, country: str) -> bool:
        """Whether each body of these words says the same, but for its key."""
        return (words, country) in self._known


def cut_key(body: bytes) -> tuple[bytes, bytes, int] | None:
    """The body's words without the targeting key, that key, and where in the words it was; None unless it is plain."""
    at = body.find(_NAME) + len(_NAME)
    end = body.find(b'"', at)
    key = body[at:end]
    if at < len(_NAME) or not 0 < len(key) <= len(_TRIALS[-1]) or key.translate(None, _PLAIN):
        return None
    return body[:at] + body[end:], key, at


def _is_shown(words: bytes, at: int, asked: AskedContext, country: str) -> bool:
    """Whether every body of these words says the same, but for its key."""
    for trial in _TRIALS:
        try:
            tried = parse_context(words[:at] + trial + words[at:], country)
        except OfrepRefused:
            return False
        key = trial.lower() if tried.is_device else trial
        if tried.key != key or (tried.custom_id, tried.said) != (asked.custom_id, asked.said):
            return False
    return True
