"""Words that speak against a token only if the credentials are known to be right.

A key of another project, or of the sandbox, makes every token look dead. So such a word is believed while the provider
takes at least as many messages as it refuses so; until then the token is kept, and `edge.push.trust` judges.
"""

from collections.abc import Container

from edge.domain.pushing.payload import PushAttempt, PushVerdict


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
        if self._refused > self._taken:
            return attempt._replace(verdict=PushVerdict.OURS, whole=True, of_target=True)
        return attempt
