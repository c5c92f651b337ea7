"""The history by day, its filters and pages, and which change can be undone."""

import msgspec
import pytest
from test_told import entry

from edge.page.views.history.entries import PAGE, HistoryFilter, authors_of, older_address, page_of, show_days

NOW = 1_700_000_000.0
DAY = 86_400.0


def made(revision, at=NOW, **given):
    return msgspec.structs.replace(entry(**given), revision=revision, at=at)


def test_changes_stand_under_their_day():
    days = show_days([made(3), made(2, NOW - DAY), made(1, NOW - DAY)], "com.acme.app", 3, NOW, may_undo=True)
    assert [(each.label, [change.revision for change in each.changes]) for each in days] == [
        ("Today, 14 Nov", [3]),
        ("13 Nov", [2, 1]),
    ]


def test_the_newest_can_be_undone_and_older_ones_put_back():
    shown = show_days([made(3), made(2), made(1, kind="publish_bundle")], "com.acme.app", 3, NOW, may_undo=True)
    (today,) = shown
    assert [(each.undo_verb, each.undo) for each in today.changes] == [
        ("Undo", "/apps/com.acme.app/acts/undo"),
        ("Put back", "/apps/com.acme.app/acts/put-back?of=2"),
        ("", ""),
    ]
    assert today.changes[2].hint == "withdraw it instead"


def test_who_may_look_alone_gets_no_buttons():
    ((_, changes),) = show_days([made(3), made(2)], "com.acme.app", 3, NOW, may_undo=False)
    assert [each.undo for each in changes] == ["", ""]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (HistoryFilter(), [4, 3, 2]),
        (HistoryFilter(by="guard"), [4]),
        (HistoryFilter(group="bundles"), [3]),
        (HistoryFilter(by="anna", group="rollouts"), []),
    ],
)
def test_filters(wanted, expected):
    entries = [made(4, kind="guard_acts", by="guard"), made(3, kind="publish_bundle"), made(2)]
    found, last = page_of(entries, wanted)
    assert ([each.revision for each in found], last) == (expected, 2)


def test_a_page_ends_at_its_limit_and_the_next_one_begins_below():
    found, last = page_of([made(number) for number in range(200, 0, -1)], HistoryFilter())
    assert (len(found), last) == (PAGE, 200 - PAGE + 1)
    assert page_of([made(1)], HistoryFilter())[1] == 0


def test_the_next_page_keeps_the_filter():
    wanted = HistoryFilter(by="a b", group="bundles")
    assert older_address("/apps/x/history", wanted, 9) == "/apps/x/history?by=a+b&kind=bundles&before=9"


def test_the_guard_is_named_first():
    entries = [made(2, by="anna"), made(1, by="guard")]
    assert authors_of(entries, "zoe") == [("guard", "the guard"), ("anna", "anna"), ("zoe", "zoe")]
