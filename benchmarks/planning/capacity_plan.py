"""What a fleet of so many devices needs: arithmetic on measured figures and assumptions. Pure."""

import math
from collections.abc import Mapping
from operator import attrgetter
from typing import NamedTuple

DAY_SECONDS, DAYS_A_MONTH, HOURS_A_MONTH = 86_400, 30.4, 730
LEAST_A_REGION = 2  # nodes: one may be lost
SQLITE_DEVICES = 2_000_000  # rows of devices of one app that a node's own figures keep


class Load(NamedTuple):
    """At the peak, a second, unless it says otherwise."""

    checks: float
    reports: float
    updates: float
    gbps_whole: float
    gbps_patched: float
    tb_day_whole: float
    tb_day_patched: float
    events_day: float
    cores: float  # of all nodes that serve, with whole files
    home_cores: float  # of the home's folding process


class Needs(NamedTuple):
    nodes: int
    clickhouse_gb: float
    clickhouse_cores: float
    store_gb: float
    puts_month: float  # and listings, which cost as much; of one origin, whose regions ask it and not the bucket
    gets_month: float
    worker_mb: float


class Costs(NamedTuple):
    """Dollars a month."""

    nodes: float
    egress_whole: float
    egress_patched: float
    store: float
    clickhouse: float
    cdn: float  # bytes from a content network that charges requests, in place of egress


def load_of(devices: float, use: Mapping[str, float], did: Mapping[str, float]) -> Load:
    active = devices * use["active"]
    checks = active * use["checks_a_day"] / DAY_SECONDS * use["peak"]
    events_day = active * use["events_a_day"]
    reports = events_day / DAY_SECONDS * use["peak"]
    updates_day = active * use["releases_a_week"] / 7
    updates = updates_day / DAY_SECONDS * use["publish_peak"]
    requests, sent_gib = updates * did["files"], updates * did["whole_bytes"] / 2**30
    cpu_us = checks * did["check_us"] + reports * did["report_us"] + requests * did["file_us"]
    return Load(
        checks=checks,
        reports=reports,
        updates=updates,
        gbps_whole=updates * did["whole_bytes"] * 8e-9,
        gbps_patched=updates * use["patch_bytes"] * 8e-9,
        tb_day_whole=updates_day * did["whole_bytes"] / 1e12,
        tb_day_patched=updates_day * use["patch_bytes"] / 1e12,
        events_day=events_day,
        cores=cpu_us / 1e6 + sent_gib * did["gib_seconds"],
        home_cores=reports * did["count_us"] / 1e6,
    )


def needs_of(devices: float, use: Mapping[str, float], did: Mapping[str, float]) -> Needs:
    load, regions = load_of(devices, use, did), use["regions"]
    by_cores = load.cores / (use["cores"] * use["busy"])
    by_line = load.gbps_whole / use["line_gbps"]
    busiest = 2 / regions  # of all load: twice an even share
    in_one = max(LEAST_A_REGION, math.ceil(max(by_cores, by_line) * busiest) + 1)
    even = max(LEAST_A_REGION, math.ceil(max(by_cores, by_line) / regions) + 1)
    nodes = round(in_one + (regions - 1) * even)
    changes_month = use["apps"] * use["changes_a_day"] * DAYS_A_MONTH
    publishes_month = use["apps"] * use["releases_a_week"] * 52 / 12
    bundles = publishes_month * 3  # a quarter's
    return Needs(
        nodes=nodes,
        clickhouse_gb=load.events_day / 1e6 * did["clickhouse_mb"] / 1e3 * use["keep_days"],
        clickhouse_cores=load.events_day / 1e6 * did["clickhouse_cpu"] / DAY_SECONDS * use["peak"],
        store_gb=bundles * use["bundle_mb"] / 1e3,
        puts_month=changes_month * did["change_writes"]
        + publishes_month * (did["publish_writes"] + did["publish_listings"])
        + HOURS_A_MONTH * (did["idle_writes"] + did["idle_listings"]),
        gets_month=changes_month * did["change_reads"]
        + publishes_month * did["publish_reads"]
        + HOURS_A_MONTH * did["idle_reads"],
        worker_mb=did["worker_mb"] + use["apps"] * did["app_kb"] / 1e3,
    )


def costs_of(devices: float, use: Mapping[str, float], did: Mapping[str, float]) -> Costs:
    load, needs = load_of(devices, use, did), needs_of(devices, use, did)
    month = DAYS_A_MONTH * 1e3  # GB of TB a day
    machines = max(1, math.ceil(needs.clickhouse_cores / (use["cores"] * use["busy"])))
    updates_month = devices * use["active"] * use["releases_a_week"] / 7 * DAYS_A_MONTH
    requests = needs.puts_month * use["put_million"] + needs.gets_month * use["get_million"]
    return Costs(
        nodes=needs.nodes * use["node_month"],
        egress_whole=load.tb_day_whole * month * use["egress_gb"],
        egress_patched=load.tb_day_patched * month * use["egress_gb"],
        store=needs.store_gb * use["store_gb_month"] + requests / 1e6,
        clickhouse=machines * use["node_month"] + needs.clickhouse_gb * use["disk_gb_month"],
        cdn=updates_month * use["patch_files"] / 1e6 * use["cdn_million"],
    )


class Tier(NamedTuple):
    """`devices` is up to how many it holds."""

    what: str
    devices: float
    then: str


def tiers_of(use: Mapping[str, float], did: Mapping[str, float]) -> list[Tier]:
    """Each load is proportional to the devices, so one division says where it reaches a limit."""
    one = load_of(1.0, use, did)
    cores, line = use["cores"] * use["busy"], use["line_gbps"]
    found = [
        Tier("one standalone node: its processors", cores / (one.cores + one.home_cores), "an origin and regions"),
        Tier(
            "one standalone node: its line, whole files", line / one.gbps_whole, "regions, or `bundles_url` and a CDN"
        ),
        Tier("the same, patches", line / one.gbps_patched, "regions, or `bundles_url` and a CDN"),
        Tier(
            "figures in SQLite: rows of devices of an app",
            SQLITE_DEVICES * use["apps"] / use["active"],
            "ClickHouse for figures of single devices; counts go on",
        ),
        Tier("one home: its folding process", 1 / one.home_cores, "homes by group of apps, each an origin of its own"),
        Tier(
            f"{use['regions']:g} regions of two nodes: processors",
            cores * use["regions"] / (one.cores * 2),
            "more nodes in the busiest regions",
        ),
        Tier(
            f"{use['regions']:g} regions of two nodes: lines, whole files",
            line * use["regions"] / (one.gbps_whole * 2),
            "more nodes, or a CDN",
        ),
        Tier(
            "one ClickHouse server of a node's size: inserts",
            cores / (1e-6 * one.events_day * did["clickhouse_cpu"] / DAY_SECONDS * use["peak"]),
            "a larger one, or a cluster",
        ),
    ]
    return sorted(found, key=attrgetter("devices"))
