"""What all providers' answers have in common. Pure."""

from collections.abc import Mapping
from typing import NamedTuple

from edge.domain.pushing.payload import PushAttempt, PushVerdict

CODE_LIMIT = 64  # characters of a provider's own word that are kept
ID_LIMIT = 200  # characters of a provider's name for a message

SENT, DEAD, LATER = PushVerdict.SENT, PushVerdict.DEAD, PushVerdict.LATER
OURS, STOP = PushVerdict.OURS, PushVerdict.STOP


class ProviderAnswer(NamedTuple):
    """An answer as it came: `retry_after_seconds` is 0.0 where it asks for nothing, `provider_id` what its headers call
    the message."""

    status: int
    body: bytes = b""
    retry_after_seconds: float = 0.0
    provider_id: str = ""


class WordMeaning(NamedTuple):
    """What a provider's word means. `least_seconds`: a published least wait; the others as in `PushAttempt`."""

    verdict: PushVerdict
    whole: bool = False
    least_seconds: float = 0.0
    of_target: bool = False


TOKEN_OR_ALL = WordMeaning(OURS, whole=True, of_target=True)  # refused, and nothing says what is at fault


def by_status(status: int) -> WordMeaning:
    """Of an answer without a word that is known: the classes of HTTP, and nothing that loses a token."""
    if 200 <= status < 300:
        return WordMeaning(SENT)
    if status == 429:
        return WordMeaning(LATER)
    if status in (408, 425) or status >= 500:
        return WordMeaning(LATER, whole=True)
    if status in (401, 403, 407) or status < 400:  # a redirect: the address is not the provider's
        return WordMeaning(STOP, whole=True)
    return TOKEN_OR_ALL


def attempt_of(answer: ProviderAnswer, word: str, meaning: WordMeaning, *, dead_since: float = 0.0) -> PushAttempt:
    """`word` is the provider's, or empty."""
    code = _plain(word)[:CODE_LIMIT] or ("sent" if meaning.verdict is SENT else f"http_{answer.status}")
    wait = max(answer.retry_after_seconds, meaning.least_seconds) if meaning.verdict is LATER else 0.0
    provider_id = _plain(answer.provider_id)[:ID_LIMIT] if meaning.verdict is SENT else ""
    return PushAttempt(meaning.verdict, code, wait, provider_id, meaning.whole, dead_since, meaning.of_target)


def meaning_of(table: Mapping[str, WordMeaning], word: str, status: int) -> WordMeaning:
    """By the provider's word, else by the status."""
    found = table.get(word)
    return by_status(status) if found is None or 200 <= status < 300 else found


def _plain(word: str) -> str:
    return "".join(each for each in word if each.isascii() and each.isprintable())
