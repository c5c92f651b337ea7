"""What attempts say about credentials, and what of it one token may say. Pure.

Anyone can register a token that its provider refuses, and chooses which come first by the device's id. So a verdict
that may be the token's fault holds for that device alone. Where many in a row are such, the next are drawn at random:
only if a hundred of these were refused, and the provider never took one, it is not the tokens. Forged ones would have
to be 95 in 100 of all.
"""

from typing import NamedTuple

from edge.domain.pushing.payload import PushAttempt, PushVerdict

ROW_LEAST = 20  # doubtful verdicts without another one between, after which the next are drawn
DRAWN_LEAST = 100  # doubtful verdicts on drawn devices, before the first message that was taken, that stop
DRAWN_AT_ONCE = 20
DRAWN_AMONG = 20_000  # of what is due, once a message was taken: then it is about a pause, and a draw takes 20 ms
ALL = -1


class RandomDraw(NamedTuple):
    """So many at random, among the first so many that are due."""

    limit: int
    among: int


class CredentialTrust:
    """Of one lane. `halted`: the provider refused the credentials and has taken no message since."""

    def __init__(self, *, halted: bool = False) -> None:
        self.halted = halted
        self._taken = False
        self._in_a_row = 0
        self._drawn = 0

    @property
    def draw(self) -> RandomDraw | None:
        """How the next are to be drawn; None: they go in their order."""
        if self.halted:
            return RandomDraw(1, ALL)
        if self._in_a_row < ROW_LEAST:
            return None
        return RandomDraw(DRAWN_AT_ONCE, DRAWN_AMONG if self._taken else ALL)

    def judge(self, came: PushAttempt, *, drawn: bool) -> PushAttempt:
        """The attempt, as far as it holds. `drawn`: its device was drawn at random."""
        if not (came.whole and came.of_target):
            if came.verdict is PushVerdict.SENT:
                self._taken, self._drawn = True, 0
            if came.verdict in (PushVerdict.SENT, PushVerdict.DEAD):
                self._in_a_row = 0
            return came
        self._in_a_row += 1
        if not drawn:
            return came._replace(whole=False)
        if came.verdict is PushVerdict.LATER:
            return came
        self._drawn += 1
        if self.halted or (not self._taken and self._drawn >= DRAWN_LEAST):
            return came._replace(verdict=PushVerdict.STOP, of_target=False)
        return came._replace(whole=False)
