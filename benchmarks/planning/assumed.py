"""What a plan takes for granted: how people use apps, how teams release, and what things cost. Each can be set.

    python -m benchmarks capacity --set checks_a_day=6 --set egress_gb=0.01

Prices are list prices in dollars; each names whose and as of when. They change: set your own.
"""

from collections.abc import Mapping
from typing import NamedTuple


class Assumption(NamedTuple):
    value: float
    unit: str
    why: str


USE: Mapping[str, Assumption] = {
    "active": Assumption(0.66, "share", "of devices a day; what the simulated day has (`python -m benchmarks day`)"),
    "checks_a_day": Assumption(4.5, "", "of an active device: 3 starts a day of all, by two thirds of them"),
    "peak": Assumption(2.0, "times the mean", "the busiest hour; the simulated day has 1.8"),
    "events_a_day": Assumption(10.0, "", "of an active device: starts, ends of sessions, what became of updates"),
    "releases_a_week": Assumption(2.0, "", "of an app, each to all of its devices"),
    "apps": Assumption(100.0, "", "that share the devices evenly"),
    "bundle_mb": Assumption(8.6, "MB", "plain bytes of a bundle that is kept (tinymce 7.5.1)"),
    "patch_bytes": Assumption(66_000.0, "bytes", "an update as patches: tinymce 7.5.1 to 7.6.0"),
    "patch_files": Assumption(8.0, "", "requests of such an update"),
    "publish_peak": Assumption(7.0, "times the mean", "bytes in the busiest minute after a publish: simulated day"),
    "regions": Assumption(20.0, "", "with at least two nodes each"),
    "cores": Assumption(4.0, "", "of a node"),
    "busy": Assumption(0.5, "share", "of a node's cores at the peak: the other half is for a lost neighbour"),
    "line_gbps": Assumption(5.0, "Gbit/s", "of a node that are used at the peak: half of a 10 Gbit/s card"),
    "keep_days": Assumption(90.0, "days", "of observations in ClickHouse"),
    "changes_a_day": Assumption(3.0, "", "of an app: publishes, rollout steps, channels"),
}

PRICES: Mapping[str, Assumption] = {
    "node_month": Assumption(105.85, "$", "EC2 c7g.xlarge, 4 vCPU, 8 GB, on demand, us-east-1, 2025"),
    "disk_gb_month": Assumption(0.08, "$", "EBS gp3, us-east-1, 2025"),
    "egress_gb": Assumption(
        0.05, "$", "EC2 to the internet beyond 150 TB a month, us-east-1, 2025; the first 10 TB: 0.09"
    ),
    "store_gb_month": Assumption(0.023, "$", "S3 Standard, us-east-1, 2025"),
    "put_million": Assumption(5.0, "$", "S3 Standard, us-east-1, 2025"),
    "get_million": Assumption(0.4, "$", "S3 Standard, us-east-1, 2025"),
    "cdn_million": Assumption(0.36, "$", "Cloudflare R2, class B, without a price for bytes, August 2026"),
}

NAMES = {**USE, **PRICES}


class Unknown(ValueError):
    """No such assumption, or a value that is none; the message has the names."""


def chosen(settings: Mapping[str, str]) -> dict[str, float]:
    """The values by name, with those that are set. Raises Unknown."""
    values = {name: each.value for name, each in NAMES.items()}
    for name, text in settings.items():
        if name not in values:
            raise Unknown(f"unknown assumption {name!r}; there are: {', '.join(values)}")
        try:
            values[name] = float(text)
        except ValueError as error:
            raise Unknown(f"{name} is a number, not {text!r}") from error
        if not values[name] > 0:
            raise Unknown(f"{name} must be above 0")
    return values
