"""The list of bundles, their comparison and their sizes in words."""

import pytest

from edge.control.shapes.bundles import BundleUseView, BundleView
from edge.control.shapes.insight.bundle_changes import BundleChangesView, FileChangeView, FileGroupView
from edge.domain.decision.foresight.bundle_changes import FileFate
from edge.domain.decision.foresight.bundle_uses import BundleUse
from edge.page.charts.chart import draw
from edge.page.views.bundles.comparison import FILES_SHOWN, choose, figures_of, size_chart
from edge.page.views.bundles.comparison import table_of as changes_table
from edge.page.views.bundles.listing import BundleSearch, older_address, state_of, table_of

NOW = 1_700_000_000.0
EVIL = "<b>1.0.0</b>"


def bundle(version="4.12.0", *, uses=(), withdrawn="", zip_bytes=8_400_000, files=212):
    return BundleView(
        version=version,
        content="c" * 64,
        zip="d" * 64,
        zip_bytes=zip_bytes,
        zip_crc32="0" * 8,
        manifest="e" * 64,
        patches=None,
        files=files,
        plain_bytes=1,
        min_native="",
        max_native="",
        link="",
        comment="",
        encrypted=False,
        encryption=None,
        published=NOW - 60,
        withdrawn=withdrawn,
        channels=[],
        uses=[BundleUseView(channel="production", use=BundleUse(use), share="1%", arm="new") for use in uses],
    )


@pytest.mark.parametrize(
    ("uses", "withdrawn", "expected"),
    [
        ((), "", ["idle", "Kept"]),
        (("way_back",), "", ["idle", "Kept"]),
        (("all",), "", ["good", "Offered"]),
        (("arm",), "", ["good", "Offered"]),
        (("rollout",), "", ["run", "Rolling out"]),
        (("all", "paused"), "", ["bad", "Paused"]),
        (("all",), "white screen", ["warn", "Withdrawn"]),
    ],
)
def test_each_bundle_has_a_state(uses, withdrawn, expected):
    assert state_of(bundle(uses=uses, withdrawn=withdrawn)) == expected


@pytest.mark.parametrize(
    ("uses", "words"),
    [
        (("all",), '<a href="/apps/com.acme.app/channels/production">production</a>'),
        (("paused",), '<a href="/apps/com.acme.app/channels/production">production</a> 1\u202f%'),
        (("arm",), '<a href="/apps/com.acme.app/channels/production/experiment">production, arm new</a>'),
        (("way_back",), '<span class="muted">nowhere</span><span class="of">way back of production</span>'),
    ],
)
def test_it_says_where_it_is_offered(uses, words):
    table = table_of("com.acme.app", [bundle(uses=uses)], {}, {}, NOW, may=False)
    assert table["rows"][0]["cells"][6] == words


def test_names_of_strangers_are_escaped():
    hostile = bundle(EVIL, withdrawn="<i>")
    cells = table_of("com.acme.app", [hostile], {}, None, NOW, may=True)["rows"][0]["cells"]
    assert "<i>" not in cells[6] and "<b>" not in cells[8] and "%3Cb%3E" in cells[8]


def test_what_is_not_known_is_no_zero():
    cells = table_of("com.acme.app", [bundle()], {}, None, NOW, may=False)["rows"][0]["cells"]
    assert (cells[3], cells[7]) == ("", "–")
    cells = table_of("com.acme.app", [bundle()], {"4.12.0": 1_900_000}, {"4.12.0": 82}, NOW, may=False)["rows"][0][
        "cells"
    ]
    assert (cells[3], cells[7]) == ("1.9\u202fMB", "82")


def test_the_next_page_keeps_the_search():
    search = BundleSearch("4.", "kept")
    assert older_address("/b", search, "4.1.0") == "/b?find=4.&state=kept&older_than=4.1.0"
    assert search.query(101) == {"first": "101", "find": "4.", "state": "kept"}


def test_what_is_compared():
    bundles = [bundle("3.0.0", files=None), bundle("2.0.0"), bundle("1.0.0")]
    assert choose(bundles, "", "")[:2] == ("1.0.0", "2.0.0")
    assert choose(bundles, "0.1.0", "2.0.0") == ("0.1.0", "2.0.0", ("2.0.0", "1.0.0", "0.1.0"))
    assert choose(bundles[:2], "", "") is None


def changes(files):
    group = FileGroupView(files=1, bytes=402_000)
    return BundleChangesView(
        app="com.acme.app",
        before="4.11.3",
        version="4.12.0",
        download_bytes=1_900_000,
        zip_bytes=8_400_000,
        added=group,
        changed=group,
        removed=FileGroupView(files=0, bytes=0),
        same=group,
        files=files,
        more_files=0,
    )


def change(name="a.js", fate="changed", was=1, becomes=2, load=2):
    return FileChangeView(name=name, fate=FileFate(fate), was_bytes=was, bytes=becomes, download_bytes=load)


def test_the_comparison_has_figures_and_rows():
    found = changes([change(), change("new.js", "added", None), change("gone.js", "removed", 5, None, 0)])
    assert [(each["value"], each["of"]) for each in figures_of(found)][:2] == [
        ("1.9\u202fMB", "of 8.4\u202fMB, 2 files"),
        ("1 file", "402\u202fkB, as stored"),
    ]
    rows = [each["cells"] for each in changes_table(found)["rows"]]
    assert rows[1][1] == {"text": "new", "tone": "good"} and rows[2][2] == {"text": "gone", "tone": "bad"}


def test_many_files_are_one_row():
    rows = changes_table(changes([change(f"{n}.js") for n in range(FILES_SHOWN + 3)]))["rows"]
    assert (len(rows), rows[-1]["cells"][0]) == (FILES_SHOWN + 1, "3 files more")


def test_sizes_are_drawn_oldest_first_with_round_ticks():
    chart = size_chart([bundle("2.0.0", zip_bytes=8_400_000), bundle("1.0.0", zip_bytes=7_100_000)])
    assert chart.said == "The size goes from 7.1\u202fMB to 8.4\u202fMB."
    assert chart.y.high >= 8_400_000 and chart.y.ticks[0].words == "0"
    assert "8.4" in draw(chart) and size_chart([bundle()]) is None


@pytest.mark.parametrize("top", [1, 9, 840, 8_400_000, 999_999_999, 1_073_741_824])
def test_every_size_fits_its_axis(top):
    chart = size_chart([bundle("2.0.0", zip_bytes=top), bundle("1.0.0", zip_bytes=1)])
    assert chart.y.high >= top and 2 <= len(chart.y.ticks) <= 5
