"""`edge device show|lift|erase` against a node that withholds a bundle because a simulated device failed with it."""

import time

from running_node import web_build, write_folder

APP = "com.acme.facts"


def device(node, state, *words):
    args = ("--url", node.devices, "--app", APP, "--state", state, "--plugin", "8.51.14", "--platform", "android")
    return node.run("device", "update", *args, *words)


def until(look):
    """What is seen once it is there: offers are noted just after they are made."""
    end = time.monotonic() + 10
    while not (seen := look()) and time.monotonic() < end:
        pass
    return seen


def test_a_failed_bundle_is_withheld_until_it_is_lifted(node, tmp_path):
    folder, state = write_folder(tmp_path / "build", web_build(3)), tmp_path / "phone"
    node.text("app", "create", APP)
    node.text("channel", "create", APP, "production", "--public")
    node.text("bundle", "publish", APP, folder, "--version", "1.0.1", "--channel", "production")

    assert device(node, state, "--fail-boot").exit_code == 1
    everyone = ("device", "lift", APP, "--all", "--bundle", "1.0.1")
    assert "would be offered to 1 device again" in node.text(*everyone, "--dry-run")
    assert node.json(*everyone, "--since", "1h") == {"app": APP, "version": "1.0.1", "devices": 1, "dry_run": False}
    assert "can be offered to 0 devices again" in node.text(*everyone)
    assert until(lambda: device(node, state, "--fail-boot").exit_code == 1)
    told = device(node, state)
    assert told.exit_code == 0 and "/bundles/" not in told.stdout

    who = (state / "device-id").read_text()
    explained = node.json("explain", APP, "--device", who, "--version-name", "1.0.0")
    (seen,) = [step["saw"] for step in explained["steps"] if step["rule"] == "what_comes_before"]
    assert seen["failures"] == {"1.0.1": {"cause": "update_fail", "attempts": 1, "until": "for good"}}
    assert explained["decision"]["code"] == "bundle_withheld"
    (withheld,) = node.json("device", "show", APP, who)["withheld"]
    assert withheld["version"] == "1.0.1"
    assert "1.0.1 for good: update_fail" in node.text("device", "show", APP, who)

    (listed,) = node.json("device", "list", APP, "--id-prefix", who[:8], "--since", "1h")["devices"]
    assert (listed["device"], listed["withheld"]) == (who, ["1.0.1"])
    assert "withheld 1.0.1" in node.text("device", "list", APP)
    wrong = node.run("device", "list", APP, "--id-prefix", "zz")
    assert wrong.exit_code == 2 and "'--id-prefix': use the first characters of a device id" in wrong.stderr
    assert "no such device has reported" in node.text("device", "list", APP, "--custom-id", "nobody")

    node.text("device", "lift", APP, who, "1.0.1")
    assert "not withheld" in node.failure("device", "lift", APP, who, "1.0.1")
    assert device(node, state).exit_code == 0
    assert until(lambda: node.json("device", "show", APP, who)["offered"]) == ["1.0.1"]

    said = node.text("device", "erase", APP, who)
    assert f"erased device {who}: lists and exports leave it out from now on" in said
    assert "still being written, and may hold lines of it" in said
    assert node.json("device", "list", APP, "--id-prefix", who[:8])["devices"] == []
    assert who not in node.text("telemetry", "export", APP)
    nobody = who[:-12] + "0" * 12
    assert f"nothing is known of device {nobody}" in node.text("device", "erase", APP, nobody)
    assert node.json("device", "show", APP, who)["offered"] == []


def test_a_lift_names_one_device_or_all(node):
    for words in (
        (),
        ("x",),
        ("--all",),
        ("x", "1.0.1", "--all"),
        ("x", "1.0.1", "--since", "1h"),
        ("--bundle", "1.0.1"),
    ):
        assert node.run("device", "lift", APP, *words).exit_code == 2
