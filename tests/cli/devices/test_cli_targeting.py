"""`edge segment`, `idset`, `experiment`, `window` and `--spread` against a node that really runs."""

import json
import os
import threading
import urllib.request

import pytest
from running_node import app_name, web_build, write_folder

from edge.domain.targeting.language import language_rows

DEVICE = "00009a6b-eefe-490a-9c60-8e965132ae51"


@pytest.fixture
def app(node, request, tmp_path):
    """An app of this test's own: 1.0.1 for everybody, 1.1.0 published."""
    name = app_name(request)
    node.text("app", "create", name)
    node.text("channel", "create", name, "production", "--public")
    for version, channel in (("1.0.1", ("--channel", "production")), ("1.1.0", ())):
        folder = write_folder(tmp_path / version, web_build(version))
        node.text("bundle", "publish", name, folder, "--version", version, *channel)
    return name


def question(app, **changed):
    asked = {"app_id": app, "device_id": DEVICE, "platform": "android", "version_name": "1.0.0"}
    return asked | {"version_build": "1.0.0", "plugin_version": "8.51.14", "version_os": "14"} | changed


def offered(node, app, **changed):
    """What a worker answers a device: the version, or the code of why there is none."""
    body = json.dumps(question(app, **changed)).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{node.devices}/updates", body)) as answer:
        said = json.load(answer)
    return said.get("error") or said["version"]


def tried(node, app, name, *args, **changed):
    body = json.dumps(question(app, **changed))
    return node.json("segment", "test", app, name, "--body", "-", *args, input=body)


def test_a_segment_leads_its_devices_to_its_channel(node, app):
    node.text("channel", "create", app, "beta", "--bundle", "1.1.0")
    where = 'custom_id.startsWith("beta-") && version_os >= "14"'
    said = node.text("segment", "set", app, "testers", "--where", where, "--channel", "beta", "--priority", "10")
    assert said == f"set segment testers: {where}, sends to channel beta, priority 10\n"
    assert offered(node, app, custom_id="beta-anna") == "1.1.0"
    assert offered(node, app, custom_id="anna") == "1.0.1"
    assert offered(node, app, custom_id="beta-anna", version_os="13") == "1.0.1"
    again = node.text("segment", "set", app, "testers", "--priority", "10")
    assert again.startswith("no change: segment testers")
    node.text("segment", "set", app, "testers", "--no-channel")
    assert offered(node, app, custom_id="beta-anna") == "1.0.1"
    assert node.text("segment", "delete", app, "testers", "--yes") == f"deleted segment testers of {app}\n"
    assert node.text("segment", "list", app) == "no segments yet\n"


def test_segments_are_listed_in_their_order_and_shown(node, app):
    node.json("segment", "set", app, "second", "--where", "is_prod")
    node.json("segment", "set", app, "first", "--where", "!is_prod", "--priority", "1", "--never-yield")
    assert [each["name"] for each in node.json("segment", "list", app)] == ["first", "second"]
    lines = node.text("segment", "list", app).splitlines()
    assert lines[0].split() == ["PRIORITY", "SEGMENT", "CHANNEL", "WHERE", "LEAVE"] and lines[1].split()[:2] == [
        "1",
        "first",
    ]
    shown = node.text("segment", "show", app, "first")
    assert "!is_prod" in shown and "never" in shown
    assert node.json("segment", "show", app, "first")["yield_to_self_set"] is False
    assert node.json("segment", "set", app, "first", "--default-yield")["changed"]
    assert node.json("segment", "show", app, "first")["yield_to_self_set"] is None


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        (["--where", "sessions > 3"], "column 1: unknown field 'sessions'; did you mean 'sessions_7d'?"),
        (["--where", 'in_set("nobody")'], "unknown id set 'nobody' for app {app!r}"),
        (
            ["--where", "is_prod", "--channel", "nowhere"],
            "unknown channel 'nowhere' for app {app!r} (create it: edge channel create {app} nowhere)",
        ),
        (["--priority", "3"], "segment 'x' needs an expression"),
    ],
)
def test_a_segment_that_cannot_be_is_one_line_with_the_place(node, app, args, reason):
    assert node.failure("segment", "set", app, "x", *args) == reason.format(app=app)
    assert node.json("segment", "list", app) == []


def test_the_help_of_segment_set_has_every_word_of_the_language(node):
    shown = node.text("segment", "set", "--help")
    for _, _, meaning, example in language_rows():
        assert f"  {example} " in shown and f"  {meaning}\n" in shown


def test_an_expression_is_tried_before_it_is_saved(node, app):
    where = 'version_os >= "15" || country == "DE"'
    tested = tried(node, app, "new", "--where", where)
    no_leave = {"leave": None, "leaves": None}
    assert tested == {"name": "new", "where": where, "matches": False, "unknown": ["country"], "judged": ""} | no_leave
    assert tried(node, app, "new", "--where", where, "--country", "DE")["matches"]
    assert tried(node, app, "new", "--where", where, version_os="15.1")["matches"]
    said = node.text("segment", "test", app, "new", "--where", where, "--body", "-", input=json.dumps(question(app)))
    assert said == f"not in segment new: {where}\nunknown for this device: country\n"
    unknown = node.failure("segment", "test", app, "new", "--body", "-", input=json.dumps(question(app)))
    assert unknown == f"unknown segment 'new' for app {app!r}"
    assert "not JSON" in node.failure("segment", "test", app, "new", "--body", "-", input="{")
    assert node.json("segment", "list", app) == []


def test_a_way_out_is_shown_tried_and_warned_of(node, app):
    done = node.run("segment", "set", app, "power", "--where", "sessions_7d > 10", "--leave", "sessions_7d > 20")
    assert "warning: no device ever leaves" in done.stderr
    assert "sessions_7d > 20" in node.text("segment", "list", app)
    body = json.dumps(question(app))
    said = node.text("segment", "test", app, "power", "--leave", "sessions_7d < 7", "--body", "-", input=body)
    assert "a device like it that was in stays: leave sessions_7d < 7" in said  # nobody knows how it is used


def test_a_device_is_tried_by_its_id_as_explain_asks(node, app):
    tested = node.json("segment", "test", app, "new", "--where", f'device_id == "{DEVICE}"', "--device", DEVICE)
    assert tested["matches"]
    assert not node.json("segment", "test", app, "new", "--where", 'platform == "ios"', "--device", DEVICE)["matches"]


def test_an_id_set_from_a_file_or_stdin_decides_who_is_in(node, app, tmp_path):
    list_ = tmp_path / "vip.txt"
    list_.write_text(f"# who asked for it\nanna\n{DEVICE.upper()}\nanna\n")
    assert node.text("idset", "put", app, "vip", list_) == "uploaded id set vip: 2 ids\n"
    node.text("segment", "set", app, "vip", "--where", 'in_set("vip")')
    assert tried(node, app, "vip")["matches"]
    assert tried(node, app, "vip", device_id=DEVICE.replace("0000", "ffff"), custom_id="anna")["matches"]
    assert node.text("idset", "put", app, "vip", "-", input="bert\nanna\n") == "uploaded id set vip: 2 ids\n"
    assert not tried(node, app, "vip")["matches"]
    assert node.text("idset", "put", app, "vip", "-", input="anna\nbert") == "no change: id set vip: 2 ids\n"
    assert [(each["name"], each["ids"]) for each in node.json("idset", "list", app)] == [("vip", 2)]
    assert node.text("idset", "show", app, "vip").splitlines()[1].split() == ["ids", "2"]
    assert node.failure("idset", "delete", app, "vip", "--yes") == "id set 'vip' is used by segment 'vip'"
    node.text("segment", "delete", app, "vip", "--yes")
    assert node.text("idset", "delete", app, "vip", "--yes") == f"deleted id set vip of {app}\n"
    assert node.text("idset", "list", app) == "no id sets yet\n"


def test_an_id_set_is_read_from_a_pipe_once(node, app, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=("anna\nbert\n",))
    writer.start()
    try:
        assert node.text("idset", "put", app, "vip", pipe) == "uploaded id set vip: 2 ids\n"
    finally:
        writer.join()


def test_a_segment_that_matches_nobody_is_saved_with_a_warning(node, app):
    done = node.run("segment", "set", app, "german", "--where", 'country == "Germany" && errors_7d == 0')
    assert done.exit_code == 0
    assert done.stdout.startswith("set segment german: ")
    assert [each.split(":")[0] for each in done.stderr.splitlines()] == ["warning", "warning"]
    assert 'no device is in country "Germany"' in done.stderr and "anyone can report errors" in done.stderr
    after = node.json("segment", "set", app, "german", "--where", 'country == "DE"')
    assert after["warnings"] == []


def test_a_list_that_is_none_is_one_line_with_the_place(node, app, tmp_path):
    empty, long = tmp_path / "empty", tmp_path / "long"
    empty.write_text("")
    long.write_text("anna\n" + "x" * 37)
    assert "contains no id" in node.failure("idset", "put", app, "vip", empty)
    assert node.failure("idset", "put", app, "vip", long).startswith("line 2: the id has 37 characters")
    assert "64" in node.failure("idset", "put", app, "x" * 65, long)


def test_an_experiment_splits_the_channels_devices_and_one_arm_is_kept(node, app):
    arms = ("--arm", "control=1.0.1:33.333", "--arm", "new=1.1.0:66.667")
    said = node.text("experiment", "start", app, "production", "look", *arms)
    told = "look: control 33.333% 1.0.1, new 66.667% 1.1.0"
    assert said == f"started experiment {told} on channel production\n"
    ids = [f"{number:08x}-eefe-490a-9c60-8e965132ae51" for number in range(60)]
    versions = [offered(node, app, device_id=each) for each in ids]
    assert {*versions} == {"1.0.1", "1.1.0"} and versions == [offered(node, app, device_id=each) for each in ids]
    assert told in node.text("channel", "show", app, "production")
    lines = node.text("experiment", "show", app, "production").splitlines()
    assert lines[0].startswith("look  runs, day 1 · channel production")
    assert [line.split()[:3] for line in lines if line.startswith("new ")] == [["new", "1.1.0", "66.667%"]]
    devices = sum(int(line.split()[3]) for line in lines if line.startswith(("new ", "control ")))
    assert devices == 60
    assert "control 33.333% 1.0.1" in node.text("experiment", "show", app)
    assert node.json("experiment", "show", app)[0]["channel"] == "production"
    stopped = node.text("experiment", "stop", app, "production", "--keep", "new")
    assert stopped == "stopped the experiment; channel production offers 1.1.0\n"
    assert {offered(node, app, device_id=each) for each in ids} == {"1.1.0"}
    assert node.text("experiment", "show", app) == "no experiment is running\n"
    ended = node.text("experiment", "show", app, "production").splitlines()
    assert ended[0].startswith("look  ended ")
    assert node.json("experiment", "show", app, "production")["ended_ms"]
    node.text("channel", "create", app, "beta")
    missing = "no experiment runs on channel 'beta', and nothing is kept of an earlier one"
    assert node.failure("experiment", "show", app, "beta") == missing


def test_an_experiment_of_timing_is_started_with_terms_for_each_arm(node, app):
    node.text("segment", "set", app, "droids", "--where", 'platform == "android"')
    arms = ("--arm", "now=1.1.0:50", "--arm", "night=1.1.0:50", "--window", "night=daily 01:00-05:00 UTC")
    more = ("--spread", "night=2h", "--only", "now=droids", "--asks", "Which hour?", "--measure", "installed:2h")
    said = node.text("experiment", "start", app, "production", "when", *arms, *more)
    terms = "now 50% 1.1.0 for droids, night 50% 1.1.0 in daily 01:00-05:00 UTC over 2h"
    assert said == f"started experiment when: {terms} on channel production\n"
    shown = node.json("experiment", "show", app, "production")
    assert (shown["kind"], shown["question"], shown["arms"][1]["spread_seconds"]) == ("criteria", "Which hour?", 7_200)


@pytest.mark.parametrize(
    ("arms", "reason"),
    [
        (["a=1.0.1:50", "b=1.1.0:49"], "the arms' shares add up to 99% instead of 100%"),
        (["a=1.0.1:50", "b=1.1.0:1/2"], "share '1/2' is not a percentage like 5, 12.5% or 0.001"),
        (["a=1.0.1:50", "b=9.9.9:50"], "unknown bundle '9.9.9' for app {app!r}"),
    ],
)
def test_an_experiment_that_cannot_be_is_one_line(node, app, arms, reason):
    given = [word for arm in arms for word in ("--arm", arm)]
    assert node.failure("experiment", "start", app, "production", "look", *given) == reason.format(app=app)
    assert node.json("experiment", "show", app) == []


def test_outside_of_its_windows_a_channel_offers_nothing_new(node, app):
    halves = ["daily 00:00-12:00 UTC", "daily 12:00-24:00 UTC"]
    said = node.text("window", "set", app, "production", *halves, "--rollback-passes")
    assert said == f"channel production is open {', '.join(halves)}\n"
    shown = node.json("window", "show", app, "production")
    assert (shown["open"], shown["closes_at"], shown["rollback_passes"]) == (True, None, True)
    assert offered(node, app) == "1.0.1"
    half = node.json("window", "set", app, "production", halves[0])["windows"]
    assert half == halves[:1]
    shown, text = node.json("window", "show", app, "production"), node.text("window", "show", app, "production")
    when = "closes" if shown["open"] else "opens"
    assert when in text and "00:00Z" in text
    assert node.text("window", "clear", app, "production") == "channel production is always open\n"
    assert "none: always open" in node.text("window", "show", app, "production")
    assert node.text("window", "clear", app, "production") == "no change: channel production is always open\n"


def test_a_closed_channel_says_so_to_its_devices(node, app):
    """Open for one minute a week, on a day that today is not: closed whenever this runs."""
    shown = node.json("window", "show", app, "production")
    days = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
    in_three_days = days[(int(shown["now"] // 86_400) + 3 + 3) % 7]
    node.text("window", "set", app, "production", f"{in_three_days} 11:00-11:01 UTC")
    assert offered(node, app) == "outside_maintenance_window"
    shown = node.json("window", "show", app, "production")
    assert not shown["open"] and 2 * 86_400 < shown["opens_at"] - shown["now"] < 4 * 86_400


def test_a_window_that_cannot_be_is_one_line_with_the_place(node, app):
    reason = node.failure("window", "set", app, "production", "Mon-Fri 01:00-05:00 Europe/Pari")
    assert reason.startswith("window 'Mon-Fri 01:00-05:00 Europe/Pari', column 21: unknown time zone")
    assert "never opens" in node.failure("window", "set", app, "production", "daily 01:00-01:00 UTC")
    assert node.json("window", "show", app, "production")["windows"] == []


def test_spread_is_a_duration(node, app):
    assert node.json("channel", "create", app, "slow", "--spread", "1h30m")["spread_seconds"] == 5400
    assert "1h30m" in node.text("channel", "show", app, "slow")
    assert node.json("channel", "set", app, "slow", "--spread", "0s")["spread_seconds"] == 0
    assert "invalid duration '30'" in node.failure("channel", "set", app, "slow", "--spread", "30")
    assert "between 0 and 7d" in node.failure("channel", "set", app, "slow", "--spread", "8d")


def test_a_channel_prefers_a_form_and_explain_says_why(node, app):
    shown = node.json("channel", "show", app, "production")
    assert shown["prefer"] is None
    for form, sent in (("zip", "zip"), ("manifest", "manifest")):
        assert node.json("channel", "set", app, "production", "--prefer", form)["prefer"] == form
        found = node.json("explain", app, "--body", "-", input=json.dumps(question(app)))
        assert (found["steps"][-1]["saw"]["sent_as"], found["steps"][-1]["saw"]["why"]) == (sent, "preferred")
        assert ("manifest" in found["answer"]) is (sent == "manifest")
    assert "prefer" in node.text("channel", "show", app, "production")
    assert node.json("channel", "set", app, "production", "--prefer", "node")["prefer"] is None


def test_history_and_explain_know_about_it(node, app):
    node.text("channel", "create", app, "beta", "--bundle", "1.1.0")
    node.text("segment", "set", app, "testers", "--where", "is_prod", "--channel", "beta")
    assert node.json("history", app)[0]["kind"] == "set_segment"
    found = node.json("explain", app, "--body", "-", input=json.dumps(question(app)))
    step = next(each for each in found["steps"] if each["rule"] == "channel_segment")
    assert (step["outcome"], step["saw"]["segment"], found["answer"]["version"]) == ("decides", "testers", "1.1.0")


def test_a_reader_looks_but_does_not_set(node, app):
    secret = node.json("token", "create", f"reader-{app}"[:64], "--role", "reader", "--app", app)["token"]
    env = {"EDGE_TOKEN": secret}
    assert node.json("segment", "list", app, env=env) == []
    assert "may not change segments or id sets" in node.failure(
        "segment", "set", app, "x", "--where", "is_prod", env=env
    )
    assert "may not change segments or id sets" in node.failure("idset", "put", app, "x", "-", env=env, input="anna")
