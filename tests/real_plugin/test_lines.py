"""Which borders of the capability table the judged releases stand on: at least one release between any two."""

import json
import pkgutil

import pytest

from edge.domain.versions import parse_version
from tests.real_plugin.lines import ANDROID, CI_LINES, LINES

TABLE = json.loads(pkgutil.get_data("edge.wire.plugins", "capabilities.json"))
FIRST_THAT_COMPILES = {5: "5.43.3", 6: "6.14.10", 7: "7.0.50", 8: "8.40.7"}  # of the registry's, see README.md
# Between these two borders the registry has no release that compiles.
WITHOUT_A_RELEASE = {
    ("6.14.18", "6.14.24"), ("6.14.25", "6.14.27"), ("6.14.28", "6.14.29"), ("6.14.28", "6.25.4"),
    ("6.14.28", "6.27.11"), ("6.14.30", "6.25.4"), ("6.25.5", "6.25.8"), ("6.27.10", "6.27.11"),
    ("7.23.8", "7.23.11"), ("7.28.0", "7.29.0"), ("7.34.2", "7.34.3"),
}  # fmt: skip


def holds(first, last, release):
    return parse_version(first) <= parse_version(release) <= parse_version(last)


ROWS = [row for row in TABLE["capabilities"] if row["platform"] in ("android", "both")]


@pytest.mark.parametrize("row", ROWS, ids=[row["capability"] for row in ROWS])
def test_every_value_of_the_table_that_can_be_judged_is(row):
    missing = [
        (first, last)
        for first, last, _ in row["ranges"]
        if parse_version(first).major in FIRST_THAT_COMPILES
        and parse_version(last) >= parse_version(FIRST_THAT_COMPILES[parse_version(first).major])
        and not any(holds(first, last, release) for release in ANDROID)
    ]
    assert set(missing) <= WITHOUT_A_RELEASE


def test_what_ci_asks_is_part_of_the_matrix():
    assert set(CI_LINES) <= set(LINES)
    assert len(LINES) == len(set(LINES))
