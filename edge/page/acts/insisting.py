"""What a refusal asks a person to insist on, as choices of a form; refusals without flags of the command line. Pure."""

import re
from collections.abc import Mapping, Sequence

from edge.page.acts.confirmation import AskInput, Caution

DOWNGRADE, AGAIN, FORCE = "downgrade", "again", "force"
YES = "yes"
_LABELS = {
    DOWNGRADE: "Offer a lower version than the channel offers now",
    AGAIN: "Offer again what the channel was rolled back from",
    FORCE: "End the rollout or the experiment that runs on the channel",
}
_ABOUT = {"lower_version": DOWNGRADE, "taken_back": AGAIN, "rollout_active": FORCE, "experiment_active": FORCE}
_FLAG = re.compile(r"[,;]?( or)? (pass|add|end it with this change:) --[a-z]+( if you mean it)?")
_SECRETS = re.compile(r"with --exclude NAME \(or in \.edgeignore\), or publish it anyway with --include NAME")


def insisted_on(fields: Mapping[str, str], flags: Sequence[str]) -> dict[str, bool]:
    return {flag: fields.get(flag) == YES for flag in flags}


def insisting_inputs(fields: Mapping[str, str], flags: Sequence[str], code: str, message: str) -> list[AskInput]:
    """A choice for the flag that the refusal is about, and for those that were chosen; none if it is about none."""
    about = _ABOUT.get(code)
    if about not in flags:
        return []
    return [
        AskInput(
            flag,
            _LABELS[flag],
            fields.get(flag, ""),
            choices=[("", "no"), (YES, "yes")],
            error=f"{on_page(message)[:300]}. [{code}]" if flag == about else "",
        )
        for flag in flags
        if flag == about or fields.get(flag) == YES
    ]


def insisting_cautions(fields: Mapping[str, str]) -> list[Caution]:
    return [Caution(f"{words}.", "You chose so.") for flag, words in _LABELS.items() if fields.get(flag) == YES]


def on_page(message: str) -> str:
    """A refusal without flags of the command line."""
    said = _SECRETS.sub("of the zip; one that is no secret is published by the command line", message)
    return _FLAG.sub("", said)
