"""What was published is counted by its name, whatever devices make up."""

import pytest
from telemetry_lines import APP, DAY, NOW, line, write_segment

from edge.telemetry.folding.counts import read_counts, read_totals
from edge.telemetry.folding.fold import fold
from edge.telemetry.folding.labels import MADE_UP_LIMIT, UNKNOWN_APPS_LIMIT

NAMES = {APP: frozenset({"1.0.0", "0.9.0"}), "com.second": frozenset({"7.0.0"})}
MADE_UP = [line(version=f"66.0.{n}") for n in range(2 * MADE_UP_LIMIT)]


@pytest.fixture
def spool(tmp_path):
    directory = tmp_path / "spool"
    directory.mkdir()
    return directory


@pytest.fixture
def database(tmp_path):
    return tmp_path / "counts.db"


def counted(database, app=APP):
    return {(count.bundle, count.action): count.n for count in read_counts(database, app)}


def test_a_report_of_made_up_versions_hides_no_failure_of_what_was_published(spool, database):
    write_segment(spool, MADE_UP)
    fold(spool, database, now=NOW, names_of=NAMES.get)
    honest = [line(action="update_fail"), line(version="0.9.0"), line(version="builtin"), line(version="")]
    write_segment(spool, honest * 3, [line(version="66.1.0"), line(version="66.0.1")])
    fold(spool, database, now=NOW, names_of=NAMES.get)
    counts = counted(database)
    assert counts["1.0.0", "update_fail"] == 3
    assert counts["0.9.0", "set"] == counts["builtin", "set"] == counts["", "set"] == 3
    assert counts["other", "set"] == MADE_UP_LIMIT + 1
    assert counts["66.0.1", "set"] == 2
    assert sum(counts.values()) == read_totals(database)["folded"] == 2 * MADE_UP_LIMIT + 14


def test_what_was_published_takes_no_place_of_what_was_not(spool, database):
    own = {APP: frozenset(f"1.0.{n}" for n in range(3 * MADE_UP_LIMIT))}
    write_segment(spool, [line(version=name) for name in sorted(own[APP])], MADE_UP)
    fold(spool, database, now=NOW, names_of=own.get)
    counts = counted(database)
    assert len(counts) == 3 * MADE_UP_LIMIT + MADE_UP_LIMIT + 1
    assert counts["other", "set"] == MADE_UP_LIMIT


def test_a_name_that_is_published_after_it_was_made_up_keeps_its_row_and_frees_its_place(spool, database):
    write_segment(spool, MADE_UP)
    fold(spool, database, now=NOW, names_of=NAMES.get)
    later = {APP: NAMES[APP] | {"66.0.1", "66.0.399"}}
    write_segment(spool, [line(version="66.0.1"), line(version="66.0.399"), line(version="66.5.0")])
    fold(spool, database, now=NOW, names_of=later.get)
    counts = counted(database)
    assert (counts["66.0.1", "set"], counts["66.0.399", "set"], counts["66.5.0", "set"]) == (2, 1, 1)


def test_the_places_are_per_app_and_day(spool, database):
    write_segment(spool, MADE_UP)
    fold(spool, database, now=NOW, names_of=NAMES.get)
    late = [line(version="2.0.0", app="com.second"), line(version="2.0.0", received=NOW + DAY)]
    write_segment(spool, late)
    fold(spool, database, now=NOW + DAY, names_of=NAMES.get)
    assert counted(database)["2.0.0", "set"] == counted(database, "com.second")["2.0.0", "set"] == 1


@pytest.mark.long
def test_an_app_of_the_node_keeps_its_rows_however_many_others_there_were(spool, database):
    write_segment(spool, [line(app=f"com.gone{n}") for n in range(UNKNOWN_APPS_LIMIT + 5)])
    fold(spool, database, now=NOW, names_of=NAMES.get)
    write_segment(spool, [line(app="com.second"), line(app="com.late")])
    fold(spool, database, now=NOW, names_of=NAMES.get)
    assert counted(database, "com.second") == {("1.0.0", "set"): 1}
    assert counted(database, "com.late") == {}
    assert counted(database, "other") == {("1.0.0", "set"): 6}
