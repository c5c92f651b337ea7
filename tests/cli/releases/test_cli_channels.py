"""`edge channel set` says what it changed, before and after."""

import pytest
from running_node import app_name


@pytest.fixture
def app(node, request):
    name = app_name(request)
    node.text("app", "create", name)
    node.text("channel", "create", name, "production", "--public")
    return name


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("--prefer", "zip"), "prefer zip; "),
        (("--no-ios", "--policy", "minor"), "no-ios, policy minor; "),
        (("--spread", "30m"), "spread 30m; "),
        (("--private",), ""),
    ],
)
def test_a_setting_is_confirmed(node, app, given, told):
    change = ("channel", "set", app, "production", *given)
    foreseen = node.text(*change, "--dry-run").splitlines()[0]
    form = " (in which form devices download the bundle)" if "--prefer" in given else ""
    assert foreseen == f"set channel production of {app}" + (f": {told[:-2]}" if told else "") + form
    who = "private" if "--private" in given else "public"
    offers = f"offers nothing yet, {who}\n"
    assert node.text(*change) == f"changed channel production: {told}{offers}"
    assert node.text(*change) == f"no change: channel production: {offers}"
    if "zip" in given:
        assert node.text("channel", "set", app, "production", "--prefer", "node").startswith(
            "changed channel production: prefer node; "
        )
