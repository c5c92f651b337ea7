"""What devices bring about, between nodes: what builds home's end, and a region's."""

import time
from collections.abc import Callable
from pathlib import Path

from edge.config import Config
from edge.node.processes.data_paths import DataPaths
from edge.node.processes.supervisor import Supervisor
from edge.regions.sharing.behaviour import BehaviourHearing
from edge.regions.sharing.home import SharingClocks, SharingHome
from edge.regions.sharing.sharer import Sharer
from edge.regions.upstream import Upstream
from edge.telemetry.behaviour.news import BehaviourPages


def build_sharing(paths: DataPaths, supervisor: Supervisor, is_app: Callable[[str], bool]) -> SharingHome:
    """Home's end. What devices report at all nodes together is within the limits of one."""
    return SharingHome(
        lambda: supervisor.desk.shared,
        supervisor.record,
        is_app,
        supervisor.failures,
        SharingClocks(time.time, time.monotonic),
        BehaviourPages(paths.behaviour_table, paths.behaviour_news_dir),
    )


def open_home(config: Config) -> Upstream | None:
    """The node that is told what devices do here; None: there is none."""
    upstream = config.upstream
    return Upstream(config.home, Path(upstream.token_file), insecure=upstream.insecure) if config.home else None


def build_sharer(paths: DataPaths, node: str, supervisor: Supervisor, home: Upstream) -> Sharer:
    """A region's end: its `run` is a duty."""
    behaviour = BehaviourHearing(home, node, paths.behaviour_table, paths.sharing_dir, supervisor.record)
    return Sharer(home, node, lambda: supervisor.desk.shared, supervisor.record, time.time, behaviour)
