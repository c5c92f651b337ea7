from places import ROOT

from edge.domain.changes.features.feature_changes import (
    DEPTH_LIMIT,
    EXPRESSIONS_LIMIT_BYTES,
    FEATURE_LIMIT,
    FEATURES_LIMIT_BYTES,
    PREREQUISITES_LIMIT,
    RULES_LIMIT,
)
from edge.domain.features.values import DEPTH_LIMIT as NESTED_LIMIT
from edge.domain.features.values import INTEGER_LIMIT, VALUE_LIMIT_BYTES


def test_the_limits_on_the_page_are_those_of_the_code():
    page = (ROOT / "config/FEATURES.md").read_text()
    rows = (
        f"| features of an app | {FEATURE_LIMIT} |",
        f"| one value | {VALUE_LIMIT_BYTES // 1024} KiB, {NESTED_LIMIT} arrays and objects in each other |",
        f"| all features of an app | {FEATURES_LIMIT_BYTES // 1024} KiB |",
        f"| expressions in rules | {EXPRESSIONS_LIMIT_BYTES // 1024} KiB together |",
        f"| rules of a feature | {RULES_LIMIT} |",
        f"| prerequisites of a feature | {PREREQUISITES_LIMIT}, at most {DEPTH_LIMIT} features in a row |",
        f"| whole numbers | up to {INTEGER_LIMIT} either way |",
    )
    assert [row for row in rows if row not in page] == []
