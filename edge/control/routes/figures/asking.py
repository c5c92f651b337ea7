"""The parameters of questions about figures, and their times."""

from collections.abc import Mapping
from typing import Any

from edge.control.calls import Asked
from edge.control.operations import parse_number
from edge.domain.errors import Invalid
from edge.domain.model import APP_ID_LIMIT
from edge.domain.statistics.curves import POINTS_LIMIT
from edge.telemetry.questions.stats import BYS

SINCE = "since_seconds"
SINCE_LEAST, SINCE_MOST = 60, 400 * 86_400  # a minute; counts by the day are kept for ever, but nobody reads them daily
DAY_SECONDS, WEEKS_SECONDS = 86_400, 90 * 86_400  # by default
POINTS_DEFAULT = 60
LABELS = ("bundle", "channel", "segment", "platform")
LABEL_LIMIT = APP_ID_LIMIT  # characters: no name is longer

_ONLY = "only devices and events with this"

FIGURE_PARAMETERS: Mapping[str, Mapping[str, Any]] = {
    SINCE: {
        "description": "from so many seconds ago until now; by default a day, for releases 90",
        "schema": {"type": "integer", "minimum": SINCE_LEAST, "maximum": SINCE_MOST},
    },
    "by": {"description": "rows by this beside the figures", "schema": {"enum": list(BYS)}},
    "points": {
        "description": "at most so many points of a bundle's adoption curve",
        "schema": {"type": "integer", "minimum": 2, "maximum": POINTS_LIMIT, "default": POINTS_DEFAULT},
    },
    **{
        name: {"description": f"{_ONLY} {name}", "schema": {"type": "string", "maxLength": LABEL_LIMIT}}
        for name in LABELS
    },
}


def since_seconds(request: Asked, default: int) -> int:
    """How far back the question goes. Raises Invalid `invalid_since_seconds`."""
    return parse_number(request, SINCE, default, SINCE_LEAST, SINCE_MOST)


def labels(request: Asked) -> dict[str, str]:
    """Those that are given. Raises Invalid `invalid_<name>`."""
    given = {name: request.query[name] for name in LABELS if name in request.query}
    for name, word in given.items():
        if len(word) > LABEL_LIMIT:
            raise Invalid(f"invalid_{name}", f"invalid {name}: longer than {LABEL_LIMIT} characters")
    return given


def row_label(request: Asked) -> str:
    """By what rows are told apart; "" for none. Raises Invalid `invalid_by`."""
    by = request.query.get("by", "")
    if by and by not in BYS:
        raise Invalid("invalid_by", f"invalid by {by[:32]!r}: use one of {', '.join(BYS)}")
    return by
