"""The suites by their names, in the order in which the table shows them."""

from edge.domain.model import Platform
from tests.real_plugin.cell import Line, Suite
from tests.real_plugin.suites.channels import channels
from tests.real_plugin.suites.encryption import encryption
from tests.real_plugin.suites.failed_boot import failed_boot
from tests.real_plugin.suites.main_flow import main_flow
from tests.real_plugin.suites.names import names
from tests.real_plugin.suites.quiet import quiet
from tests.real_plugin.suites.reuse import reuse
from tests.real_plugin.suites.stale import stale
from tests.real_plugin.suites.statistics import statistics

# Electron neither reuses files nor rolls back (PROTOCOL.md §11.11).
NOT_OF_ELECTRON = frozenset({"reuse", "boot"})

SUITES: dict[str, Suite] = {
    "main": main_flow,
    "quiet": quiet,
    "reuse": reuse,
    "names": names,
    "encryption": encryption,
    "channels": channels,
    "boot": failed_boot,
    "statistics": statistics,
    "stale": stale,
}

OF_REGIONS = frozenset({"stale"})


def suites_of(node: str) -> list[str]:
    """Of a kind of node, as `world.WORLDS` calls them."""
    return [name for name in SUITES if node == "region" or name not in OF_REGIONS]


def applies(line: Line, suite: str) -> bool:
    return line.platform is not Platform.ELECTRON or suite not in NOT_OF_ELECTRON
