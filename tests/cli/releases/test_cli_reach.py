"""The warning after an offer that no known device can take."""

import pytest

from edge.cli.releases.reach import warning_of


def seen(**changes):
    view = {"channel": "stable", "bundle": "2.0.0", "devices": 14, "offered": 0, "has_it": 0, "kept": {}}
    return view | {"elsewhere": 0, "since": 1.0, "cut": False} | changes


MAJOR = "disable_auto_update_to_major"

WARNINGS = {
    "one reason": (
        seen(kept={MAJOR: 14}),
        f"0 of 14 known devices can take it: 14 are blocked by {MAJOR} (Cannot upgrade major version)",
    ),
    "two and elsewhere": (
        seen(kept={"bundle_withheld": 1, MAJOR: 11}, elsewhere=2),
        f"0 of 14 known devices can take it: 11 are blocked by {MAJOR} (Cannot upgrade major version), 1 is blocked by "
        "bundle_withheld (The bundle failed on this device before), 2 are not on channel stable",
    ),
    "elsewhere": (seen(elsewhere=14), "0 of 14 known devices can take it: 14 are not on channel stable"),
    "no device is known": (seen(devices=0), ""),
    "one takes it": (seen(offered=1, kept={MAJOR: 13}), ""),
    "one has it": (seen(has_it=1, kept={MAJOR: 13}), ""),
    "time will tell": (seen(kept={"spread_not_reached": 14}), ""),
}


@pytest.mark.parametrize("case", WARNINGS)
def test_a_warning_names_the_rules_that_keep_the_devices(case):
    view, warning = WARNINGS[case]
    assert warning_of(view) == warning
