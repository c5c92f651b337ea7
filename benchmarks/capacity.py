"""What 1, 10 and 100 million devices need: nodes, lines, store, ClickHouse, dollars, and where a tier ends.

Arithmetic, no load: figures of a node come from the tables in `last/`, use and prices from `planning.assumed`, where
`--set NAME=VALUE` changes them. Other machines have other figures; the shape stays.
"""

from benchmarks.output.report import BenchReport, Missing, Options
from benchmarks.output.tables import Cell, Table
from benchmarks.planning.assumed import NAMES, Unknown, chosen
from benchmarks.planning.capacity_plan import Tier, costs_of, load_of, needs_of, tiers_of
from benchmarks.planning.measured import CITED, measured

FLEETS = (1_000_000, 10_000_000, 100_000_000)


def run(options: Options) -> BenchReport:
    try:
        use = chosen(options.settings)
    except Unknown as error:
        raise Missing(str(error)) from error
    figures = {name: measured(name) for name in CITED}
    did = {name: figure.value for name, figure in figures.items()}
    return BenchReport(
        compares="A plan for 1, 10 and 100 million devices, by figures of one node and stated assumptions.",
        tables=(
            _load_table(use, did),
            _needs_table(use, did),
            _cost_table(use, did),
            _tier_table(tiers_of(use, did)),
            Table(
                title="Measured",
                columns=("figure", "value", "from"),
                rows=tuple((name, figure.value, figure.source) for name, figure in figures.items()),
            ),
            Table(
                title="Assumed",
                columns=("name", "value", "unit", "why"),
                rows=tuple(
                    (name, use[name], each.unit, _why(each.why, use[name] != each.value))
                    for name, each in NAMES.items()
                ),
            ),
        ),
    )


def _why(why: str, is_set: bool) -> str:
    return "set by --set" if is_set else why


def _load_table(use: dict[str, float], did: dict[str, float]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for devices in FLEETS:
        load = load_of(devices, use, did)
        rows.append(
            (
                *(f"{devices:,}", load.checks, load.reports, load.updates, load.gbps_whole, load.gbps_patched),
                *(load.tb_day_whole, load.tb_day_patched, load.events_day / 1e6, load.cores, load.home_cores),
            )
        )
    return Table(
        title="Load at the peak",
        columns=(
            *("devices", "checks/s", "reports/s", "updates/s", "Gbit/s, whole files", "Gbit/s, patches"),
            *(
                "TB a day, whole",
                "TB a day, patches",
                "million events a day",
                "cores, serving",
                "cores, counting at home",
            ),
        ),
        rows=tuple(rows),
        notes=("Whole files: those that changed, compressed. Patches: the same files as what changed in them.",),
    )


def _needs_table(use: dict[str, float], did: dict[str, float]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for devices in FLEETS:
        needs = needs_of(devices, use, did)
        rows.append(
            (
                *(f"{devices:,}", needs.nodes, needs.clickhouse_gb, needs.clickhouse_cores, needs.store_gb),
                *(needs.puts_month / 1e6, needs.gets_month / 1e6, needs.worker_mb),
            )
        )
    return Table(
        title="What it takes",
        columns=(
            *("devices", "nodes", "ClickHouse, GB", "ClickHouse, cores", "store, GB"),
            *("writes to the store a month, million", "reads, million", "MB a worker"),
        ),
        rows=tuple(rows),
        notes=(
            f"{use['regions']:g} regions; the busiest has twice an even share; each has one node more than it needs, "
            "and two at least. The origin keeps its truth in a bucket; regions ask the origin. Without TLS, which "
            "about doubles what checks and bytes cost.",
        ),
    )


def _cost_table(use: dict[str, float], did: dict[str, float]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for devices in FLEETS:
        costs = costs_of(devices, use, did)
        shared = costs.nodes + costs.store + costs.clickhouse
        rows.append(
            (
                *(f"{devices:,}", costs.nodes, costs.store, costs.clickhouse, costs.egress_whole, costs.egress_patched),
                *(costs.cdn, shared + costs.egress_whole, shared + costs.egress_patched, shared + costs.cdn),
                1e3 * (shared + costs.egress_patched) / devices,
            )
        )
    return Table(
        title="Dollars a month",
        columns=(
            *(
                "devices",
                "nodes",
                "store",
                "ClickHouse",
                "bytes, whole files",
                "bytes, patches",
                "bytes, CDN by request",
            ),
            *("sum, whole files", "sum, patches", "sum, CDN", "a thousand devices, patches"),
        ),
        rows=tuple(rows),
    )


def _tier_table(tiers: list[Tier]) -> Table:
    return Table(
        title="Where the next tier begins",
        columns=("what is outgrown", "million devices", "then"),
        rows=tuple((tier.what, tier.devices / 1e6, tier.then) for tier in tiers),
    )
