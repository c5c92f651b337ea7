"""What a verb says at its end beside its result: its change was made and the node's workers do not serve it, or may
serve it late; or what it was told may not be what devices get."""

from collections.abc import Iterable
from typing import Any

from edge.cli.terminal.output import note

NOT_SERVED = 3  # exit code: the change is made, and devices do not get it

_UNREAD = frozenset({"app", "revision"})  # grains: the revision that the change made is not the one that is served


def warn_of_not_taken(answers: Iterable[Any]) -> bool:
    """Prints to stderr what is wrong, each thing once; whether a revision that was made is not served. `answers` are
    the `not_taken` of the changes' answers."""
    answers = list(answers)
    damaged = {(each["app"], each["grain"], each["name"]): each for answer in answers for each in answer["damaged"]}
    for each in damaged.values():
        thing = f"{each['grain'].replace('_', ' ')} {each['name']} of {each['app']}"
        note(f"warning: the node cannot read {thing}: {each['effect']} ({each['cause']}); {each['repair']}")
    silent = max((answer["silent_workers"] for answer in answers), default=0)
    if silent:
        note(f"warning: {silent} worker(s) of the node did not answer in time: some devices get this change later")
    unserved = any(each["grain"] in _UNREAD for each in damaged.values())
    if unserved:
        note("the change is made, and devices do not get it until this is repaired")
    return unserved


def warn_beside_answers(warnings: Iterable[str], refusal: str) -> None:
    """Prints to stderr what is wrong with the store that answers were read from, except what the verb was refused for
    and is said by `refusal`."""
    said = refusal.encode("ascii", "backslashreplace").decode()  # as a header has it
    for each in warnings:
        if each not in said:
            note(f"warning: {each}")
