"""What a segment reads of how a device is used, in words: `on 27 Nov 2026: 11 sessions`. Pure."""

from collections.abc import Callable, Iterator, Mapping
from datetime import date

from edge.domain.decision.rules import Inputs
from edge.domain.facts import Behaviour
from edge.domain.model import Segment
from edge.domain.targeting.conditions import Atom, Comparison, Condition, Member, UsedFeature, atoms_of
from edge.domain.targeting.language import FACTS, Field

_EPOCH = date(1970, 1, 1).toordinal()
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_WORDS: Mapping[str, Callable[[int], str]] = {
    "first_seen_days": lambda n: f"first heard of {_counted(n, 'day')} ago",
    "sessions_7d": lambda n: _counted(n, "session"),
    "session_minutes_7d": lambda n: f"{_counted(n, 'minute')} of sessions",
    "errors_7d": lambda n: _counted(n, "error"),
    "update_delay_hours": lambda n: f"updated after {_counted(n, 'hour')}",
    "install_seconds": lambda n: f"downloaded in {_counted(n, 'second')}",
}


def judged_words(condition: Condition, behaviour: Behaviour) -> str:
    """ "" for a condition that reads nothing of behaviour; `not yet` for a device that was never judged."""
    words = list(dict.fromkeys(_words(condition, behaviour)))
    if not words:
        return ""
    return f"on {day_in_words(behaviour.judged_day)}: {', '.join(words)}" if behaviour.judged_day else "not yet"


def behaviour_seen(condition: Condition, segment: Segment, held: bool, behaviour: Behaviour) -> Inputs:
    """For a step that asks a segment; nothing if it does not read behaviour. `stays_until`, where it was in before:
    what takes it out."""
    words = judged_words(condition, behaviour)
    if not words:
        return {}
    was_in = any(behaviour.was_in(place, segment.since) for place in segment.places)
    kept = was_in and (held or segment.leave is not None)
    until = "the rollout or experiment ends" if held else segment.leave or ""
    return {"judged": words, **({"was_in": True, "stays_until": until} if kept else {})}


def date_of(day: int) -> date:
    """Of days since the epoch."""
    return date.fromordinal(_EPOCH + day)


def day_in_words(day: int) -> str:
    """`27 Nov 2026`, of days since the epoch."""
    at = date_of(day)
    return f"{at.day} {_MONTHS[at.month - 1]} {at.year}"


def _words(condition: Condition, behaviour: Behaviour) -> Iterator[str]:
    for atom in atoms_of(condition):
        for field in _fields_of(atom):
            value = getattr(behaviour, field.name)
            yield f"{field.name} unknown" if value is None else _WORDS[field.name](value)
        if isinstance(atom, UsedFeature):
            known = behaviour.features
            used = "has used" if known is not None and atom.name in known else "has not used"
            yield f'{used} "{atom.name}"' if known is not None else f'feature("{atom.name}") unknown'


def _fields_of(atom: Atom) -> Iterator[Field]:
    match atom:
        case Comparison(field=field, other=Field() as other) if field in FACTS:
            yield from (field, other)
        case Comparison(field=field) | Member(field=field) if field in FACTS:
            yield field
        case _:
            pass


def _counted(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"
