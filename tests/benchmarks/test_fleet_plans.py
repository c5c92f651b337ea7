"""The plan for millions of devices and their simulated day: figures, arithmetic, and what a small day must hold."""

import pytest

from benchmarks import capacity, day
from benchmarks.day import PLANS, decider, make_fleet
from benchmarks.output.report import Missing, Options
from benchmarks.planning.assumed import NAMES, Unknown, chosen
from benchmarks.planning.capacity_plan import costs_of, load_of, needs_of, tiers_of
from benchmarks.planning.fleet_day import DAY_SECONDS, REGIONS, activity, at_once, rates_bps, starts_of_day
from benchmarks.planning.measured import CITED, Cited, find_figure, measured
from benchmarks.planning.simulated_day import DayRules, simulate
from benchmarks.worlds.releases import device_ids

USE = chosen({})
DID = {name: measured(name).value for name in CITED}

REPORT = """\
**one table**

| who | CPU | n |
|---|---:|---:|
| ours | 1,234.5 (1-2) | 7 |
| theirs | - | 8 |

**another table**

| who | CPU | n |
|---|---:|---:|
| ours | 9 | 10 |
"""


@pytest.mark.parametrize(
    ("title", "row", "column", "found"),
    [
        ("one table", ("ours",), "CPU", 1234.5),
        ("one", ("theirs", "-"), "n", 8.0),
        ("another", ("ours",), "CPU", 9.0),
        ("one table", ("theirs",), "CPU", None),
        ("one table", ("nobody",), "CPU", None),
        ("one table", ("ours",), "memory", None),
        ("no table", ("ours",), "CPU", None),
    ],
)
def test_a_figure_is_found_by_table_row_and_column(title, row, column, found):
    assert find_figure(REPORT, Cited("", title, row, column, 0.0)) == found


def test_every_figure_of_the_plan_is_in_a_kept_table():
    assert {name: each for name in CITED if not (each := measured(name).source).startswith("last/")} == {}


def test_a_figure_without_a_table_says_so(tmp_path):
    figure = measured("check_us", tmp_path)
    assert figure.value == CITED["check_us"].instead and "no table" in figure.source


def test_load_and_costs_of_bytes_grow_with_the_devices():
    small, large = load_of(1e6, USE, DID), load_of(1e7, USE, DID)
    assert [round(b / a, 6) for a, b in zip(small, large, strict=True)] == [10.0] * len(small)
    assert needs_of(1e8, USE, DID).nodes >= needs_of(1e6, USE, DID).nodes == 2 * USE["regions"]
    assert costs_of(1e7, USE, DID).egress_patched < costs_of(1e7, USE, DID).egress_whole


def test_at_the_end_of_a_tier_its_limit_is_reached():
    tiers = {tier.what: tier.devices for tier in tiers_of(USE, DID)}
    load = load_of(tiers["one standalone node: its line, whole files"], USE, DID)
    assert load.gbps_whole == pytest.approx(USE["line_gbps"])
    assert list(tiers.values()) == sorted(tiers.values())


def test_an_assumption_that_is_set_counts_and_a_wrong_one_is_refused_by_name(tmp_path):
    assert chosen({"apps": "7"})["apps"] == 7.0 and chosen({}) == {name: each.value for name, each in NAMES.items()}
    for settings, said in (
        ({"app": "7"}, "unknown assumption 'app'"),
        ({"apps": "x"}, "not 'x'"),
        ({"apps": "0"}, "above 0"),
    ):
        with pytest.raises(Unknown, match=said):
            chosen(settings)
    with pytest.raises(Missing, match="unknown assumption"):
        capacity.run(Options(cache_dir=tmp_path, settings={"app": "7"}))
    assert len(capacity.run(Options(cache_dir=tmp_path)).tables) == 6


def test_people_are_as_busy_as_said_and_their_day_is_a_day():
    assert sum(region.share for region in REGIONS) == pytest.approx(1.0)
    assert sum(activity(hour) for hour in range(24)) / 24 == pytest.approx(1.0)
    starts = starts_of_day(REGIONS[0], 2_000, 14.0, 1)
    assert len(starts) == pytest.approx(6_000, rel=0.15)
    assert all(0 <= each.at < DAY_SECONDS for each in starts) and starts == sorted(starts, key=lambda each: each.at)


def a_day(plan, devices=400, **changed):
    region = REGIONS[0]
    rules = DayRules(plan.update_bytes, 1.0, 10e9, 50.0)._replace(**changed)
    fleet = make_fleet(plan, device_ids(devices))
    starts = starts_of_day(region, devices, 14.0, 1)
    rates, quick = rates_bps(region, devices, 1).tolist(), at_once(region, devices, 1).tolist()
    return simulate(starts, devices, rates, quick, rules, decider(fleet, 0))


def test_on_a_day_nearly_all_active_devices_update_once_each_and_a_spread_delays_them():
    now, later = a_day(PLANS[0]), a_day(PLANS[3])
    assert now.active == later.active and now.updated_within(DAY_SECONDS) >= 0.97 * now.active
    assert later.updated_within(3_600) < now.updated_within(3_600)
    assert all(len(day.updated_at) <= day.active and min(day.waits) >= 0 for day in (now, later))
    assert now.decisions["offer"] == pytest.approx(len(now.updated_at), rel=0.1) and later.decisions.total() > 0


def test_a_line_that_is_too_thin_lets_downloads_wait_and_none_is_offered_before_the_release_is_there():
    plan = PLANS[1]
    assert a_day(plan, line_bps=1e6).queued_seconds > 100 * a_day(plan).queued_seconds
    assert not a_day(plan, ready_seconds=float(DAY_SECONDS)).updated_at


def test_the_report_of_a_day_has_a_row_for_each_way(tmp_path, monkeypatch):
    for name, value in (("QUICK_SAMPLE", 200), ("QUICK_SEEDS", 1)):
        monkeypatch.setattr(day, name, value)
    report = day.run(Options(quick=True, cache_dir=tmp_path))
    assert [len(table.rows) for table in report.tables] == [len(PLANS)] * 2
