"""What is read out of measured curves, and how a plan becomes links."""

import pytest

from benchmarks.output.report import Options
from benchmarks.output.tables import encode_text
from benchmarks.wan import CEILING_SHARE, RUN_SEGMENTS, plan_for, plan_links
from benchmarks.wide_area.link import WanLink
from benchmarks.wide_area.report import Ceiling, Findings, Lossy, Update, WanCell, build_report, curve, reach_seconds

FAST = Ceiling(2e9, 10e9)


def cells(*points, rate_bps=200e6):
    """Measured cells whose check takes `seconds` at each round trip."""
    made = []
    for round_trip, seconds in points:
        cell = WanCell(WanLink(round_trip, rate_bps))
        for name, more in (
            ("check_new", 0.0),
            ("check_kept", 0.0),
            ("zip_edge", 0.3),
            ("zip_nginx", 0.3),
            ("app", 0.1),
        ):
            cell.add(name, seconds + more)
        cell.updates["app"] = Update(1_000, [2_000, 3_000], 7, 8)
        made.append(cell)
    return made


def check(cell):
    return cell.median("check_new")


@pytest.mark.parametrize(
    ("limit", "reached"), [(0.005, None), (0.010, 0.005), (0.055, 0.0275), (0.100, 0.05), (0.9, 0.05)]
)
def test_how_far_a_limit_reaches(limit, reached):
    assert reach_seconds(cells((0.005, 0.010), (0.050, 0.100)), check, limit) == pytest.approx(reached)


@pytest.mark.parametrize(
    ("round_trip", "seconds"), [(0.02, 0.04), (0.03, 0.06), (0.04, 0.08), (0.06, 0.14), (0.01, 0.02), (0.0, 0.0)]
)
def test_a_curve_goes_on_as_steep_as_it_ends(round_trip, seconds):
    at = curve(cells((0.02, 0.04), (0.04, 0.08), (0.05, 0.11)), check)

    assert at(round_trip) == pytest.approx(seconds)


def test_a_slow_relay_caps_the_rate_of_a_line(tmp_path):
    plan = plan_for(Options(cache_dir=tmp_path))

    rates = {link.rate_bps for link in plan_links(plan, Ceiling(1e9, 0.5e9))}

    assert rates == {50e6, 200e6, CEILING_SHARE * 0.5e9}


def test_only_fast_lines_are_relayed_in_runs(tmp_path):
    links = plan_links(plan_for(Options(cache_dir=tmp_path)), FAST)

    assert {link.rate_bps: link.segments_per_frame for link in links} == {50e6: 1, 200e6: 1, 1e9: RUN_SEGMENTS}


def test_a_report_shows_every_cell_and_what_the_kernel_does_not_have():
    lossy = WanCell(WanLink(0.04, 200e6, 0.01))
    findings = Findings(
        zip_bytes=5_000_000,
        congestion="cubic",
        ceiling=FAST,
        cells=cells((0.02, 0.041), (0.08, 0.162)) + cells((0.02, 0.043), (0.08, 0.164), rate_bps=50e6),
        lossy=[Lossy("bbr", lossy)],
    )

    report = build_report(findings)
    told = "\n".join(encode_text(table) for table in report.tables)

    assert [table.title for table in report.tables[:2]] == ["200 Mbit/s", "50 Mbit/s"]
    assert [len(table.rows) for table in report.tables[:2]] == [2, 2]
    assert "CAIDA" in told
    assert report.tables[-1].rows == (("1.0%", "bbr", None, None),)
    assert report.plot is not None
    assert {len(each.points) for each in report.plot.curves} == {2}
