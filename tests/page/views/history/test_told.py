"""One change in words: what, to what, from what to what, and how it is taken back."""

import pytest

from edge.control.shapes.apps import AlteredView, HistoryEntry
from edge.control.shapes.impact import ChannelImpactView, OfferingView
from edge.page.views.history.told import VALUE_LIMIT, Delta, tell

OFFERS = OfferingView(bundle="4.11.3", public=True, last_good=None, rollout="4.12.0", experiment=None)
ROLLING = [ChannelImpactView(channel="production", before=OFFERS, after=OFFERS)]


def entry(kind="set_segment", summary="", changes=(), channels=(), by="anna", reason=""):
    return HistoryEntry(
        revision=7,
        digest="d" * 64,
        id="x",
        at=1_700_000_000.0,
        by=by,
        kind=kind,
        summary=summary,
        reason=reason,
        channels=list(channels),
        changes=[AlteredView(subject=s, name=n, what=w, before=b, after=a) for s, n, w, b, a in changes],
    )


WHERE = ("segment", "old", "where", 'version_os < "10"', 'version_os < "11"')
NEW = ("bundle", "4.12.0", "bundle", None, "8400000 bytes, 212 files")
OFFERED = ("channel", "beta", "bundle", "4.13.0-beta.1", "4.13.0-beta.2")
HELD = ("channel", "production", "rollout", "4.12.0 running, step 1 of 5, 1%", "4.12.0 paused, step 1 of 5, 1%")
SPREAD = ("channel", "beta", "spread_seconds", "1800", "0")
DEVICE = "00009a6b-eefe-490a-9c60-8e965132ae51"

TITLES = {
    "Published 4.12.0": entry("publish_bundle", "version=4.12.0", [NEW]),
    "Published 4.12.0 on beta": entry("publish_bundle", "version=4.12.0 channel=beta", [NEW]),
    "Changed the segment old": entry(summary="name=old where=x", changes=[WHERE]),
    "Made the segment old": entry(summary="name=old", changes=[("segment", "old", "segment", None, "is_prod")]),
    "Set beta to 4.13.0-beta.2": entry("set_channel", "name=beta bundle=4.13.0-beta.2", [OFFERED]),
    "Changed the channel beta": entry("set_channel", "name=beta spread_seconds=0", [SPREAD]),
    "Paused the rollout of 4.12.0 on production": entry(
        "move_rollout", "channel=production move=pause", [HELD], ROLLING
    ),
    "Rolled the rollout back of 4.12.0 on production": entry(
        "guard_acts", "channel=production watch=w deed=rollback", [HELD], ROLLING
    ),
    "Started the rollout of 4.12.0 on production": entry("start_rollout", "channel=production bundle=4.12.0"),
    "Rolled back production": entry("roll_back", "channel=production"),
    "Undid r1829": entry("undo", "revision=1829"),
    "Deleted the channel beta": entry("delete_channel", "name=beta"),
    "Made the app com.acme.app": entry("create_app", "app=com.acme.app"),
    "Sent a device to beta": entry("set_override", f"device={DEVICE} channel=beta"),
    "Proposed to publish bundle 3.2.0": entry("propose", "publish_bundle 3.2.0"),
    "Proposed to send a message to all devices": entry("propose", "create_message all devices"),
    "Approved the proposal p14": entry("approve_proposal", "proposal=p14"),
    "Froze changes": entry("start_freeze", "begins=2026-12-29T00:00Z ends=2027-01-08T00:00Z"),
    "Changed how many people approve changes on production": entry("set_approval", "channel=production people=2"),
    "Made a message": entry("create_message", "texts=Winter {sale} when=best"),
    "Pruned 1 bundle": entry("prune_bundles", "keep=3", [("bundle", "1.0.0", "bundle", "1 bytes", None)]),
    "Something new": entry("something_new", ""),
}


@pytest.mark.parametrize("title", TITLES)
def test_each_change_has_its_sentence(title):
    assert tell(TITLES[title]).title == title


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (WHERE, Delta('version_os < "10"', 'version_os < "11"')),
        (NEW, Delta("", "4.12.0, 8.4\u202fMB, 212 files")),
        (OFFERED, Delta("4.13.0-beta.1", "4.13.0-beta.2")),
        (SPREAD, Delta("spread seconds: 1800", "spread seconds: 0", "spread seconds")),
        (HELD, Delta("4.12.0 running, step 1 of 5, 1\u202f%", "4.12.0 paused, step 1 of 5, 1\u202f%")),
    ],
)
def test_it_says_from_what_to_what(change, expected):
    assert tell(entry(changes=[change])).deltas == (expected,)


@pytest.mark.parametrize(
    ("kind", "changes", "undo"),
    [
        ("set_segment", [WHERE], "put-back"),
        ("set_channel", [OFFERED], "put-back"),
        ("set_channel", [SPREAD], "put-back"),
        ("set_channel", [OFFERED, HELD], ""),
        ("set_channel", [("channel", "beta", "bundle", "none", "1.0.0")], ""),
        ("set_override", [], "put-back"),
        ("publish_bundle", [NEW], "withdraw it instead"),
        ("move_rollout", [HELD], "decide on the channel"),
        ("create_app", [], ""),
    ],
)
def test_it_says_how_an_older_one_is_taken_back(kind, changes, undo):
    assert tell(entry(kind, changes=changes)).undo == undo


def test_what_strangers_wrote_is_cut_and_cleaned():
    told = tell(entry(changes=[("segment", "x", "where", "a", "b" * 999)], reason="\u202eevil\x00"))
    assert len(told.deltas[0].after) == VALUE_LIMIT
    assert told.reason == "\ufffdevil\ufffd"


def test_many_deltas_are_a_number():
    many = [("channel", "beta", f"setting{n}", "0", "1") for n in range(9)]
    told = tell(entry("set_channel", changes=many))
    assert (len(told.deltas), told.more) == (4, 5)
