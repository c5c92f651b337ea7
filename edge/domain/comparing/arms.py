"""What every experiment is made of: arms with shares, and a question. Pure."""

from collections.abc import Iterable, Sequence

from edge.domain.errors import Invalid
from edge.domain.model import parse_name
from edge.domain.shares import WHOLE_SHARE, format_share

ARMS = range(2, 11)
QUESTION_LIMIT = 200  # characters: a line above a chart


def check_arms(given: Sequence[tuple[str, int]]) -> None:
    """Names and shares, in thousandths of a percent. Raises Invalid `invalid_arms`, `invalid_arm_name`."""
    if len(given) not in ARMS:
        raise Invalid("invalid_arms", f"an experiment must have {ARMS.start} to {ARMS.stop - 1} arms")
    names = [parse_name("arm", name) for name, _ in given]
    if twice := next((name for place, name in enumerate(names) if name in names[:place]), None):
        raise Invalid("invalid_arms", f"two arms are called {twice!r}")
    if weightless := next((name for name, weight in given if weight <= 0), None):
        raise Invalid("invalid_arms", f"arm {weightless!r} has no share")
    _check_whole(weight for _, weight in given)


def _check_whole(weights: Iterable[int]) -> None:
    if (total := sum(weights)) != WHOLE_SHARE:
        raise Invalid("invalid_arms", f"the arms' shares add up to {format_share(total)} instead of 100%")


def parse_question(text: str) -> str:
    """Raises Invalid `invalid_question`."""
    if len(text) > QUESTION_LIMIT or not (text.isprintable()):
        raise Invalid("invalid_question", f"a question is one line of at most {QUESTION_LIMIT} printable characters")
    return text.strip()
