"""Words that speak against a token only if the credentials are known to be right.

A key of another project, or of the sandbox, makes every token look dead. So such a word is believed while the provider
takes at least as many messages as it refuses so; until then the token is kept. When nothing at all is taken, all stops.
Not for less: anyone can register tokens that are refused so, and must not be able to stop the others' messages.
"""

from collections.abc import Container

from edge.domain.pushing.payload import PushAttempt, PushVerdict

STOP_AFTER = 100  # refusals without one message that was taken: it is not the tokens


class Doubtful:
    """Counts of one set of credentials, since the start. `words` are the codes that may be either's fault."""

    def __init__(self, words: Container[str]) -> None:
        self._words = words
        self._taken = 0
        self._refused = 0

    def judged(self, attempt: PushAttempt) -> PushAttempt:
        """The attempt, or what it comes to as long as the credentials may be at fault."""
        if attempt.verdict is PushVerdict.SENT:
            self._taken += 1
        if attempt.code not in self._words:
            return attempt
        self._refused += 1
        if self._taken == 0 and self._refused >= STOP_AFTER:
            return attempt._replace(verdict=PushVerdict.STOP, whole=True)
        if self._refused > self._taken:
            return attempt._replace(verdict=PushVerdict.OURS, of_target=True)
        return attempt
