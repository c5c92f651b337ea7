"""`edge feature key`: made, rotated, shown and removed on a node, whose workers ask for it."""

import json
import urllib.error
import urllib.request
import uuid

from running_node import app_name


def ask(node, app, key=None):
    """The status."""
    headers = {"X-API-Key": key} if key else {}
    address = f"{node.devices}/features/{app}/ofrep/v1/evaluate/flags"
    try:
        with urllib.request.urlopen(urllib.request.Request(address, b"{}", headers)) as answer:
            return len(json.load(answer)["flags"])
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_keys_are_made_rotated_shown_and_removed(node, request):
    app = app_name(request)
    node.text("app", "create", app)
    node.text("feature", "set", app, "checkout", "--type", "boolean", "--default", "true")
    node.text("feature", "set", app, "pool", "--type", "number", "--default", "5", "--server-only")
    assert ask(node, app) == 1
    first = node.text("feature", "key", app, "--new").strip()
    server = node.json("feature", "key", app, "--new", "--server")["key"]
    assert [ask(node, app, key) for key in (None, first, server)] == [401, 1, 2]
    second = node.json("feature", "key", app, "--new", "--keep", "0s")["key"]
    assert [ask(node, app, key) for key in (first, second, server)] == [401, 1, 2]
    shown = node.text("feature", "key", app)
    assert second in shown
    assert server not in shown
    assert node.text("feature", "key", app, "--remove") == f"{app} gives its features without a key\n"
    assert ask(node, app) == 1
    node.text("feature", "key", app, "--remove", "--server")
    assert ask(node, app, server) == 1
    assert node.json("feature", "key", app) == []


def test_figures_count_the_devices_that_got_each_value(node, request):
    app = app_name(request)
    node.text("app", "create", app)
    node.text("feature", "set", app, "colour", "--type", "string", "--default", "blue", "--note")
    node.text("feature", "set", app, "colour", "--rule", 'droids: platform == "android" => red')
    address = f"{node.devices}/features/{app}/ofrep/v1/evaluate/flags"
    for number in range(5):
        said = {"targetingKey": str(uuid.UUID(int=number)), "platform": "android" if number < 3 else "ios"}
        for _ in range(2):
            urllib.request.urlopen(address, json.dumps({"context": said}).encode()).close()
    found = node.json("stats", app)["features"]
    told = {each["name"]: (each["kind"], each["devices"]["value"]) for each in found}
    assert told == {"colour/droids": ("exposure", 3), "colour/default": ("exposure", 2)}


def test_a_key_is_made_or_removed(node, request):
    done = node.run("feature", "key", app_name(request), "--new", "--remove")
    assert (done.exit_code, "either --new or --remove" in done.stderr) == (2, True)
