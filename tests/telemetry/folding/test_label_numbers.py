"""What devices make up takes no place from what the team and the plugin's releases are called."""

from contextlib import closing

import pytest
from figures_world import APP, AT_MS, heard, observation, write_figures

from edge.domain.statistics.device_record import DeviceRecord
from edge.domain.statistics.observation import Cohort, Group
from edge.telemetry.folding import label_numbers
from edge.telemetry.folding.database import open_for_folding
from edge.telemetry.folding.device_rows import ENDED_COHORT, store_devices
from edge.telemetry.folding.label_numbers import LabelNumbers
from edge.telemetry.folding.sketches import distinct
from edge.telemetry.folding.words import WordKind, parse_cohort, parse_group
from edge.telemetry.upkeep import ageing, group_ageing
from edge.telemetry.upkeep.ageing import age

TOLD = Group("android")
OURS = Group("android", "production", ("vip",), "r/new", "e/a")


@pytest.fixture
def few_places(monkeypatch):
    limits = {"COHORTS_LIMIT": 40, "MADE_UP_COHORTS_LIMIT": 10, "FEWER_COHORTS_LIMIT": 60}
    groups = {"GROUPS_LIMIT": 5, "NAMED_GROUPS_LIMIT": 7, "OWN_GROUPS_LIMIT": 10, "FEWER_GROUPS_LIMIT": 13}
    for name, limit in (limits | groups).items():
        monkeypatch.setattr(label_numbers, name, limit)
    monkeypatch.setattr(ageing, "COHORTS_LIMIT", 40)


@pytest.fixture
def connection(tmp_path):
    with closing(open_for_folding(tmp_path / "figures.db")) as connection:
        yield connection


def admitted(connection, *cohorts):
    numbers = LabelNumbers(connection)
    app = numbers.words.app(APP)
    return [parse_cohort(numbers.words.word(numbers.cohort(app, each))) for each in cohorts]


@pytest.mark.parametrize(
    "made_up",
    [
        [Cohort(TOLD, "14", "", f"8.45.{n}") for n in range(2_000, 2_200)],
        [Cohort(TOLD, str(n), "", "8.51.23") for n in range(1_000, 1_200)],
    ],
)
def test_made_up_releases_and_systems_take_no_place_of_known_ones(few_places, connection, made_up):
    found = admitted(connection, *made_up)
    assert len(set(found)) == 11
    assert found[-1] in {made_up[-1]._replace(plugin="other"), made_up[-1]._replace(os="other")}
    honest = [Cohort(OURS, "14", "DE", "8.51.23"), Cohort(TOLD, "15", "", "8.51.23")]
    assert admitted(connection, *honest) == honest
    assert admitted(connection, made_up[0]) == made_up[:1]


def test_with_all_places_taken_a_known_release_and_what_is_ours_stay(few_places, connection):
    admitted(connection, *(Cohort(TOLD, str(n), "", "8.51.23") for n in range(99)))
    assert admitted(connection, Cohort(OURS, "14", "DE", "8.51.23")) == [Cohort(OURS, "other", "other", "8.51.23")]


def test_combinations_of_segments_take_no_place_of_channels_sides_and_arms(few_places, connection):
    admitted(connection, *(Cohort(TOLD._replace(segments=(f"s{n}",))) for n in range(30)))
    assert admitted(connection, Cohort(OURS))[0].group == OURS._replace(segments=("other",))
    plain = OURS._replace(segments=())
    assert admitted(connection, Cohort(plain))[0].group == plain


def test_where_all_places_are_taken_a_group_keeps_its_channel_as_long_as_there_are_some(few_places, connection):
    admitted(connection, *(Cohort(TOLD._replace(side=f"r{n}/new")) for n in range(30)))
    found = admitted(connection, *(Cohort(OURS._replace(channel=name)) for name in ("production", "beta", "gamma")))
    assert [each.group for each in found] == [
        *(Group("android", name) for name in ("production", "beta")),
        Group("android", "other"),
    ]


def test_groups_that_nobody_was_counted_under_are_freed_by_age(monkeypatch, tmp_path):
    """Each release makes new ones; without that, sides and arms have no place after some hundreds of releases."""
    monkeypatch.setattr(group_ageing, "GROUPS_LIMIT", 8)
    ours = {"arm": "e/a"}
    old = [heard(n, at_ms=AT_MS + n, group=ours | {"side": f"r{n % 5}/new"}) for n in range(1, 11)]
    later = AT_MS / 1000 + 92 * 86_400
    new = heard(99, at_ms=int(later * 1000), group=OURS._asdict())
    groups_of_old = [ours | {"side": f"r{n % 5}/new"} for n in range(10)]
    counts = [observation("download", at_ms=AT_MS, group=each, value=2.0) for each in groups_of_old]
    write_figures(tmp_path / "figures.db", [*old, *counts, new])
    with closing(open_for_folding(tmp_path / "figures.db")) as connection:
        counted = "SELECT sum(n), count(DISTINCT grp), (SELECT sum(n) FROM histograms_day) FROM sums_day"
        assert connection.execute(counted).fetchall() == [(10, 5, 10)]
        age(connection, AT_MS / 1000)
        assert connection.execute(counted).fetchall() == [(10, 5, 10)], "all of it is recent"
        age(connection, later)
        assert connection.execute(counted).fetchall() == [(10, 1, 10)]
        sketches = connection.execute("SELECT sketch FROM sketches_day").fetchall()
        known = {parse_group(word) for (word,) in connection.execute("SELECT word FROM words WHERE kind = 4")}
    assert sorted(distinct([each]) for (each,) in sketches) == [1, 10]
    assert OURS in known and {each.side for each in known} == {"", OURS.side}


def test_cohorts_without_devices_are_freed_by_age(few_places, connection, tmp_path):
    cohorts = [Cohort(TOLD, str(n), "", "8.51.23") for n in range(30)]
    admitted(connection, *cohorts)
    numbers = LabelNumbers(connection)
    app = numbers.words.app(APP)
    state = DeviceRecord(app, 7, frozenset())
    state.first_ms = state.last_ms = AT_MS
    state.cohort, state.first_cohort, state.ended_cohort = (numbers.cohort(app, each) for each in cohorts[:3])
    store_devices(connection, [state])
    connection.commit()
    ((packed,),) = connection.execute("SELECT state FROM devices").fetchall()
    assert int.from_bytes(packed[ENDED_COHORT], "little") == state.ended_cohort
    age(connection, AT_MS / 1000)
    assert {*map(parse_cohort, LabelNumbers(connection).words.beginning(app, WordKind.COHORT, ""))} == {*cohorts[:3]}


def test_few_cohorts_stay_by_age(tmp_path):
    write_figures(tmp_path / "few.db", [heard(1)])
    with closing(open_for_folding(tmp_path / "few.db")) as connection:
        before = connection.execute("SELECT * FROM words").fetchall()
        age(connection, AT_MS / 1000 + 91 * 86_400)
        assert connection.execute("SELECT * FROM words").fetchall() == before
