"""The cases of `nothing_new.json` are those that were written down, and leave no reason and no generation out."""

import json

from nothing_new import FILE, REASONS, RELEASES, encoded

from edge.domain.decision.outcomes import HoldReason, Reason

# The moment decides about a window, and the address of a device about a share: `decision.json` has these. What is
# lost is a fault of one node's, which no state of an app describes.
LOST = {Reason.MANIFEST_LOST.code, Reason.ZIP_LOST.code, HoldReason.LOST.code, Reason.STALE.code}
ELSEWHERE = {Reason.OUTSIDE_WINDOW.code, HoldReason.SHARE.code, HoldReason.PAUSED.code, *LOST}


def test_the_file_is_what_was_written_down():
    assert FILE.read_text() == encoded(), "run `python tests/conformance/nothing_new.py`"


def test_every_reason_for_nothing_is_there():
    codes = {"up_to_date"} | {reason.code for reason in Reason} | {held.code for held in HoldReason}
    assert {reason.code for reason in REASONS} == codes - ELSEWHERE


def test_every_generation_is_told_nothing_on_a_bundle_and_on_builtin():
    said = {
        (each["generation"], each["request"]["fields"]["platform"], each["request"]["fields"]["version_name"])
        for case in json.loads(FILE.read_text())["cases"]
        for each in case["exchanges"]
    }
    for release in RELEASES:
        platforms = ("electron",) if release.generation == "electron" else ("android", "ios")
        on_builtin = "1.0.0" if release.on_builtin == "native" else "builtin"
        for platform in platforms:
            assert {(release.generation, platform, name) for name in ("1.0.3", on_builtin)} <= said
