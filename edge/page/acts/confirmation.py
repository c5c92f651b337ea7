"""What a person reads before an act: whom it touches, what it undoes, and the command that does the same."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


class Touch(NamedTuple):
    """`many` is a number of devices, or a word in its place; the sentence goes on from it."""

    many: str
    sentence: str


class Caution(NamedTuple):
    lead: str
    rest: str = ""


class AskInput(NamedTuple):
    """A field of the form. With `choices`, (value, words) each, it is a list to pick from; with `ticked` each of them
    is a box, `NAME.VALUE`; with `rows` it has lines. `kind` is the browser's. `heading` stands before it and
    what follows, `hint` under it, and `error`: why what is in it was refused."""

    name: str
    label: str
    value: str = ""
    choices: Sequence[tuple[str, str]] = ()
    required: bool = False
    limit: int = 100
    ticked: Sequence[str] | None = None
    error: str = ""
    rows: int = 0
    kind: str = "text"
    heading: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """`revision` is the app's as the figures were computed, `change` the id that makes a double press one change.
    `fields` go with the form unseen; `typed` has to be typed into it. `edit` names a second button, which leads back to
    the form that the fields are from. `reasoned`: it is asked why, for the history."""

    href: str
    back: str
    question: str
    verb: str
    command: str
    revision: int | None
    change: str
    touches: Sequence[Touch] = ()
    warnings: Sequence[Caution] = ()
    inputs: Sequence[AskInput] = ()
    fields: Mapping[str, str] = field(default_factory=dict)
    danger: bool = False
    undoable: bool = True
    reason_needed: bool = False
    typed: str = ""
    level: int = 1
    edit: str = ""
    reasoned: bool = True
