"""What the `wan` bench found, as tables: the times with the model beside them, what reaches the published figures, and
what the curves mean for devices where they are. Pure."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from benchmarks.measuring.figures import Spread, in_words, ratios, spread
from benchmarks.output.plots import Curve, Plot
from benchmarks.output.report import BenchReport
from benchmarks.output.tables import Table
from benchmarks.wide_area.distances import PUBLISHED, Distances, interpolate, mean_over, share_within
from benchmarks.wide_area.forms import FormsCell, forms_table
from benchmarks.wide_area.link import WanLink
from benchmarks.wide_area.model import check_seconds, transfer_seconds, update_seconds

# What an existing service publishes: a check's time over the world in two editions, and a 5 MB bundle's download.
PUBLISHED_CHECK_SECONDS = (0.434, 0.057)
PUBLISHED_ZIP_SECONDS = 0.114
TITLES = {"check_new": "check, new", "check_kept": "check, kept", "zip_edge": "zip, edge", "zip_nginx": "zip, nginx"}

WanValue = Callable[["WanCell"], float]


class Ceiling(NamedTuple):
    """What the relay carries when the line is no limit."""

    single_bps: float  # segment by segment
    runs_bps: float


class Update(NamedTuple):
    """What one update of a package asked for."""

    answer_bytes: int  # on the line
    files_bytes: list[int]
    reused: int
    connections: int


@dataclass(slots=True)
class WanCell:
    """One link: samples in seconds by series; a package's updates are a series of its name."""

    link: WanLink
    samples: dict[str, list[float]] = field(default_factory=dict)
    updates: dict[str, Update] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, series: str, seconds: float) -> None:
        self.samples.setdefault(series, []).append(seconds)

    def median(self, series: str) -> float:
        return statistics.median(self.samples[series])

    def model(self, series: str, zip_bytes: int) -> float:
        """The least it can take on this link."""
        round_trip, rate_bps = self.link.round_trip_seconds, self.link.rate_bps
        if series.startswith("check"):
            return check_seconds(round_trip, new_connection=series == "check_new")
        if series.startswith("zip"):
            return transfer_seconds(zip_bytes, round_trip, rate_bps)
        done = self.updates[series]
        return update_seconds(done.files_bytes, done.answer_bytes, round_trip, rate_bps, connections=done.connections)


class Lossy(NamedTuple):
    congestion: str
    cell: WanCell


@dataclass(slots=True, kw_only=True)
class Findings:
    zip_bytes: int
    congestion: str
    ceiling: Ceiling
    cells: list[WanCell] = field(default_factory=list)  # by rate, then by round trip, ascending
    unlinked: WanCell | None = None  # the same with next to no delay and no limit: what the processor takes
    lossy: list[Lossy] = field(default_factory=list)
    forms: list[FormsCell] = field(default_factory=list)

    @property
    def packages(self) -> list[str]:
        return list(self.cells[0].updates)

    def by_rate(self) -> dict[float, list[WanCell]]:
        rates: dict[float, list[WanCell]] = {}
        for cell in self.cells:
            rates.setdefault(cell.link.rate_bps, []).append(cell)
        return rates


def build_report(findings: Findings) -> BenchReport:
    tables = [_times(findings, cells) for cells in findings.by_rate().values()]
    tables += [_reaches(findings), *(_weighted(findings, places) for places in PUBLISHED), _updates(findings)]
    if findings.lossy:
        tables.append(_losses(findings))
    if findings.forms:
        tables.append(forms_table(findings.forms))
    compares = (
        f"Real TCP ({findings.congestion}) over an emulated link: checks, a zip of {findings.zip_bytes:,} bytes from "
        "edge serve and from nginx, and file-by-file updates of real consecutive releases. Times in milliseconds from "
        "the first SYN to the last byte, without TLS; the model is slow start from ten segments and never waits."
    )
    return BenchReport(compares=compares, tables=tuple(tables), plot=_plot(findings))


def curve(cells: list[WanCell], value: WanValue) -> Callable[[float], float]:
    """A value of the round trip, on straight lines between those that were measured.

    Outside of them the nearest two give the slope: a time over TCP is a sum of whole round trips.
    """
    points = [(cell.link.round_trip_seconds, value(cell)) for cell in cells]

    def at(round_trip: float) -> float:
        if points[0][0] <= round_trip <= points[-1][0]:
            return interpolate(points, round_trip)
        (low, first), (high, second) = points[-2:] if round_trip > points[-1][0] else points[:2]
        return max(0.0, first + (second - first) * (round_trip - low) / (high - low))

    return at


def reach_seconds(cells: list[WanCell], value: WanValue, limit_seconds: float) -> float | None:
    """The longest round trip, measured or between two, with the value within the limit; None: not even the first."""
    points = [(cell.link.round_trip_seconds, value(cell)) for cell in cells]
    within = [number for number, point in enumerate(points) if point[1] <= limit_seconds]
    if not within:
        return None
    if within[-1] + 1 == len(points):
        return points[-1][0]
    (low, first), (high, second) = points[within[-1]], points[within[-1] + 1]
    return low + (high - low) * (limit_seconds - first) / (second - first)


def _times(findings: Findings, cells: list[WanCell]) -> Table:
    """The least a check can take is one round trip, or two: only what carries bytes has its model beside it."""
    modelled = ["zip_edge", *findings.packages]
    rows: list[tuple[str | int | float | Spread, ...]] = []
    for cell in cells:
        times = {name: _milliseconds(samples) for name, samples in cell.samples.items()}
        models = {name: cell.model(name, findings.zip_bytes) * 1e3 for name in modelled}
        checks = (f"{cell.link.round_trip_seconds * 1e3:g}", times["check_new"], times["check_kept"])
        zips = (models["zip_edge"], times["zip_edge"], times["zip_nginx"])
        updates = [each for name in findings.packages for each in (models[name], times[name])]
        ratio = ratios(cell.samples["zip_edge"], cell.samples["zip_nginx"])
        link = (cell.counts.get(name, 0) for name in ("dropped_full", "late_p99_us", "late_max_us"))
        rows.append((*checks, *zips, ratio, *updates, *link))
    columns = (
        *(
            "round trip",
            TITLES["check_new"],
            TITLES["check_kept"],
            "zip, model",
            TITLES["zip_edge"],
            TITLES["zip_nginx"],
        ),
        *("edge/nginx", *(title for name in findings.packages for title in (f"{name}, model", f"{name}, update"))),
        *("drops", "late p99, µs", "late max, µs"),
    )
    title = f"{cells[0].link.rate_bps / 1e6:,.0f} Mbit/s"
    return Table(title=title, columns=columns, rows=tuple(rows), notes=_link_notes(findings))


def _link_notes(findings: Findings) -> tuple[str, ...]:
    single, runs = (in_words(rate_bps / 1e6) for rate_bps in findings.ceiling)
    return (
        "The queue holds one bandwidth-delay product, at least 128 KiB. Drops: packets that found it full, or runs of "
        "up to 16 segments at 1 Gbit/s. Late: how much after its time the relay handed a packet on.",
        f"The relay carries {single} Mbit/s in single segments and {runs} in runs when the line is no limit.",
    )


def _milliseconds(samples: list[float]) -> Spread:
    return spread([seconds * 1e3 for seconds in samples])


def _median_of(name: str) -> WanValue:
    return lambda cell: cell.median(name)


def _with_tls(cell: WanCell) -> float:
    return cell.median("check_new") + cell.link.round_trip_seconds


def _reaches(findings: Findings) -> Table:
    """Up to which round trip each published figure is met."""
    asked: list[tuple[str, WanValue, float]] = []
    for limit in PUBLISHED_CHECK_SECONDS:
        asked += [
            ("check, new connection", _median_of("check_new"), limit),
            ("check, new with TLS 1.3 (computed)", _with_tls, limit),
            ("check, kept connection", _median_of("check_kept"), limit),
        ]
    asked += [(TITLES[name], _median_of(name), PUBLISHED_ZIP_SECONDS) for name in ("zip_edge", "zip_nginx")]
    asked.append(("zip, model", lambda cell: cell.model("zip_edge", findings.zip_bytes), PUBLISHED_ZIP_SECONDS))
    asked += [(f"update {name}", _median_of(name), PUBLISHED_ZIP_SECONDS) for name in findings.packages]
    rates = findings.by_rate()
    rows: list[tuple[str | float, ...]] = [
        (name, limit * 1e3, *(_reach_words(cells, value, limit) for cells in rates.values()))
        for name, value, limit in asked
    ]
    columns = ("what", "published, ms", *(f"{rate_bps / 1e6:,.0f} Mbit/s" for rate_bps in rates))
    note = "Straight lines between the measured round trips. A TLS 1.3 handshake is counted as one round trip more."
    return Table(
        title="Within a published figure up to a round trip of", columns=columns, rows=tuple(rows), notes=(note,)
    )


def _reach_words(cells: list[WanCell], value: WanValue, limit_seconds: float) -> str:
    reached = reach_seconds(cells, value, limit_seconds)
    if reached is None:
        return f"none (not {cells[0].link.round_trip_seconds * 1e3:g} ms)"
    more = " and more" if reached == cells[-1].link.round_trip_seconds else ""
    return f"{reached * 1e3:.0f} ms{more}"


def _weighted(findings: Findings, places: Distances) -> Table:
    values: dict[str, WanValue] = {title: _median_of(name) for name, title in TITLES.items()}
    values["zip, model"] = lambda cell: cell.model("zip_edge", findings.zip_bytes)
    values |= {f"update {name}": _median_of(name) for name in findings.packages}
    rates = findings.by_rate()
    rows: list[tuple[str | float, ...]] = []
    for name, value in values.items():
        limit = min(PUBLISHED_CHECK_SECONDS) if name.startswith("check") else PUBLISHED_ZIP_SECONDS
        row: list[str | float] = [name]
        for cells in rates.values():
            at = curve(cells, value)
            row += [mean_over(places, at) * 1e3, f"{share_within(places, limit, at):.0%}"]
        rows.append(tuple(row))
    columns = ["what"]
    for rate_bps in rates:
        columns += [f"{rate_bps / 1e6:,.0f} Mbit/s, mean ms", "within"]
    within = "Within: the share of devices for which a check takes at most 57 ms, a zip or an update at most 114 ms."
    title = f"Weighted by where devices are: {places.name}"
    return Table(title=title, columns=tuple(columns), rows=tuple(rows), notes=(places.source, within))


def _updates(findings: Findings) -> Table:
    rows: list[tuple[str | int | Spread | None, ...]] = []
    for name, update in findings.cells[0].updates.items():
        sizes = (len(update.files_bytes), sum(update.files_bytes), max(update.files_bytes))
        alone = _milliseconds(findings.unlinked.samples[name]) if findings.unlinked else None
        rows.append((name, *sizes, update.reused, update.answer_bytes, alone))
    columns = (
        "package",
        "files fetched",
        "bytes",
        "largest file",
        "files it had",
        "answer, bytes",
        "without a link, ms",
    )
    connections = next(iter(findings.cells[0].updates.values())).connections
    note = (
        f"A device fetches over {connections} connections; its time has everything up to the installed bundle. Without "
        "a link only hashing, decompression and writing are left, which this machine's processor does for both ends."
    )
    return Table(title="What the updates fetched", columns=columns, rows=tuple(rows), notes=(note,))


def _losses(findings: Findings) -> Table:
    link = findings.lossy[0].cell.link
    rows = []
    for congestion, cell in findings.lossy:
        times = [_milliseconds(cell.samples[name]) if cell.samples else None for name in ("zip_edge", "zip_nginx")]
        rows.append((f"{cell.link.loss:.1%}", congestion, *times))
    title = f"Loss at {link.rate_bps / 1e6:g} Mbit/s and a round trip of {link.round_trip_seconds * 1e3:g} ms"
    columns = ("lost at random", "congestion control", TITLES["zip_edge"], TITLES["zip_nginx"])
    note = "The same losses in every run. A dash: the kernel does not have it."
    return Table(title=title, columns=columns, rows=tuple(rows), notes=(note,))


def _plot(findings: Findings) -> Plot:
    """A colour for each series, a dash for each rate, and the published download as a line across."""
    values: list[tuple[str, WanValue]] = [(TITLES[name], _median_of(name)) for name in ("zip_edge", "zip_nginx")]
    values.append(("model", lambda cell: cell.model("zip_edge", findings.zip_bytes)))
    values += [(name, _median_of(name)) for name in findings.packages]
    curves = [
        Curve(
            name=f"{name}, {rate_bps / 1e6:g}",
            points=tuple((cell.link.round_trip_seconds * 1e3, value(cell) * 1e3) for cell in cells),
            colour=colour,
            dash=dash,
        )
        for colour, (name, value) in enumerate(values)
        for dash, (rate_bps, cells) in enumerate(findings.by_rate().items())
    ]
    ends = (findings.cells[0].link.round_trip_seconds * 1e3, findings.cells[-1].link.round_trip_seconds * 1e3)
    across = tuple((end, PUBLISHED_ZIP_SECONDS * 1e3) for end in ends)
    curves.append(Curve(name="published: 114 ms", points=across, colour=5))
    return Plot(
        title="5 MB and real updates over a long link; after each name its Mbit/s",
        x="round trip, ms",
        y="ms",
        curves=tuple(curves),
    )
