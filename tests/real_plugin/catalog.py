"""The suites by their names, in the order in which the table shows them."""

from tests.real_plugin.cell import Suite
from tests.real_plugin.suites.channels import channels
from tests.real_plugin.suites.encryption import encryption
from tests.real_plugin.suites.failed_boot import failed_boot
from tests.real_plugin.suites.main_flow import main_flow
from tests.real_plugin.suites.names import names
from tests.real_plugin.suites.quiet import quiet
from tests.real_plugin.suites.reuse import reuse
from tests.real_plugin.suites.statistics import statistics

SUITES: dict[str, Suite] = {
    "main": main_flow,
    "quiet": quiet,
    "reuse": reuse,
    "names": names,
    "encryption": encryption,
    "channels": channels,
    "boot": failed_boot,
    "statistics": statistics,
}
