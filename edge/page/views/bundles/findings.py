"""What was found in a dropped zip, before anything is published; and the publish that a person chooses, as a request.

Pure. Names of files and rules are a stranger's.
"""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from edge.bundles.intake.intake_messages import IntakeDone, PackedEntry
from edge.bundles.intake.probable_mistakes import warning_of_order, warning_of_source
from edge.bundles.store_rules.check import app_id_warnings
from edge.bundles.store_rules.declarations import is_declaration
from edge.bundles.store_rules.rules import StoreCode, StoreWarning
from edge.control.shapes.bundles import FileView, PublishRequest, StoreWarningView, view_store_warnings
from edge.control.shapes.rollouts import RolloutPlan
from edge.domain.decision.foresight.bundle_changes import FileFate, compare_files
from edge.domain.errors import Invalid
from edge.domain.file_names import target_name
from edge.domain.model import Digest, FileEntry
from edge.domain.schedule.durations import parse_duration
from edge.page.acts.insisting import AGAIN, DOWNGRADE, FORCE, YES, insisted_on
from edge.page.words.numbers import cleaned, count, named, size

LEFT_OUT_SHOWN = 12
STORE_NOTES_SHOWN = 12
_NOT_COMPARED = "Its permissions are not compared yet with those of the bundle before it: choose where it is offered."
STEPS_DEFAULT, EVERY_DEFAULT = "1,5,25,100", "6h"
PUBLISH_FLAGS = (DOWNGRADE, AGAIN, FORCE)
KEEP, ROLLOUT, ALL = "keep", "rollout", "all"
HOW = {
    ROLLOUT: "step by step, watched by the guard",
    ALL: "to everybody at once",
}


class PublishChoice(NamedTuple):
    """What a person chose: "" for a channel is none, which only keeps the bundle."""

    channel: str = ""
    how: str = ROLLOUT
    steps: str = STEPS_DEFAULT
    every: str = EVERY_DEFAULT
    downgrade: str = ""
    again: str = ""
    force: str = ""

    @property
    def fields(self) -> dict[str, str]:
        return self._asdict()


def choice_of(given: Mapping[str, str]) -> PublishChoice | None:
    """None: nothing is chosen yet. What is too long is cut, and refused later for what it says."""
    if "channel" not in given:
        return None
    how = given.get("how", ROLLOUT)
    return PublishChoice(
        given["channel"][:128],
        how if how in HOW else ROLLOUT,
        given.get("steps", "")[:400] or STEPS_DEFAULT,
        given.get("every", "")[:16],
        **{flag: YES for flag, chosen in insisted_on(given, PUBLISH_FLAGS).items() if chosen},
    )


def request_of(version: str, packed: IntakeDone, choice: PublishChoice) -> PublishRequest:
    """Raises Invalid for a duration that is none."""
    rollout = None
    if choice.channel and choice.how == ROLLOUT:
        shares = [each.strip().removesuffix("%").strip() for each in choice.steps.split(",")]
        every = int(parse_duration(choice.every)) if choice.every else 0
        rollout = RolloutPlan(steps=[f"{each}%" for each in shares], every_seconds=every)
    return PublishRequest(
        version=version,
        zip=packed.zip,
        manifest=packed.manifest,
        channel=choice.channel or None,
        rollout=rollout,
        downgrade=choice.downgrade == YES,
        again=choice.again == YES,
        force=choice.force == YES,
    )


def command_of(app: str, version: str, file: str, choice: PublishChoice) -> str:
    """The command that does the same."""
    words = ["edge", "bundle", "publish", app, cleaned(file), "--version", version]
    if not choice.channel:
        return shlex.join([*words, "--no-channel"])
    words += ["--channel", choice.channel]
    if choice.how == ROLLOUT:
        words += ["--rollout", choice.steps, *(["--every", choice.every] if choice.every else [])]
    return shlex.join(
        [*words, *(f"--{flag}" for flag, yes in insisted_on(choice.fields, PUBLISH_FLAGS).items() if yes)]
    )


def question_of(version: str, choice: PublishChoice) -> str:
    if not choice.channel:
        return f"Publish {named(version)} on no channel?"
    how = f"step by step, {named(choice.steps)}\u202f%" if choice.how == ROLLOUT else "to everybody at once"
    return f"Publish {named(version)} on {named(choice.channel)}, {how}?"


def figures_of(packed: IntakeDone, before: str, older: Sequence[FileView] | None) -> list[dict[str, Any]]:
    """For the `figures` macro. `older` are the files of the bundle `before` that a channel offers; None: none to
    compare with."""
    found = [
        {"label": "Files", "value": count(len(packed.entries)), "of": f"{size(packed.plain_bytes)} unpacked"},
        {"label": "Zip", "value": size(packed.zip_bytes), "of": "for devices that take no single files"},
    ]
    if older is not None:
        files = compare_files([_entry(each) for each in older], [_entry(each) for each in packed.entries])
        load = sum(each.download_bytes for each in files)
        changed = sum(each.fate in (FileFate.ADDED, FileFate.CHANGED) for each in files)
        gone = sum(each.fate is FileFate.REMOVED for each in files)
        found += [
            {"label": "A device downloads", "value": size(load), "of": f"from {named(before)}, {count(changed)} files"},
            {"label": "Gone", "value": count(gone), "of": f"files of {named(before)}"},
        ]
    return found


def _entry(each: FileView | PackedEntry) -> FileEntry:
    return FileEntry(each.name, Digest(each.hash), Digest(each.blob), each.bytes)


def left_out_of(packed: IntakeDone) -> tuple[list[tuple[str, str]], int]:
    """(name, rule) of what was left out, and how many more there are."""
    shown = [(named(each.name), named(each.rule)) for each in packed.left_out[:LEFT_OUT_SHOWN]]
    return shown, max(0, len(packed.left_out) - LEFT_OUT_SHOWN)


def warnings_of(version: str, packed: IntakeDone) -> list[tuple[str, str]]:
    """Each with what to look at."""
    source = warning_of_source(target_name(each.name) for each in packed.entries)
    told = [("Look at the version.", warning_of_order(version)), ("Look at the zip.", source[:1].upper() + source[1:])]
    return [(title, cleaned(words)) for title, words in told if words]


def store_notes_of(
    app: str, packed: IntakeDone, told: Sequence[StoreWarningView] | None = None
) -> tuple[list[StoreWarningView], str]:
    """What app stores may not allow, and what of it is not known yet. `told` is the dry run's, beside the bundle that
    the channel offers; None before there is one."""
    if told is not None:
        return [_note(each) for each in told[:STORE_NOTES_SHOWN]], _more(len(told))
    found = [StoreWarning(code, each.file, each.message) for each in packed.store_notes if (code := _code(each.code))]
    found += [warning for name, app_id in packed.app_ids.items() for warning in app_id_warnings(name, app_id, app)]
    shown = [_note(each) for each in view_store_warnings(found[:STORE_NOTES_SHOWN]) or ()]
    return shown, _more(len(found)) or (_NOT_COMPARED if _declares(packed) else "")


def _note(warning: StoreWarningView) -> StoreWarningView:
    return msgspec.structs.replace(warning, message=cleaned(warning.message)[:1_000])


def _more(found: int) -> str:
    more = found - STORE_NOTES_SHOWN
    return f"Not shown here: {count(more)} more of app stores." if more > 0 else ""


def _declares(packed: IntakeDone) -> bool:
    return any(is_declaration(target_name(each.name)) for each in packed.entries)


def _code(text: str) -> StoreCode | None:
    return next((each for each in StoreCode if each.code == text), None)


def check_version(text: str) -> str:
    """Raises Invalid `missing_version`."""
    version = text.strip()
    if not version:
        raise Invalid("missing_version", "give the bundle a version first")
    return version
