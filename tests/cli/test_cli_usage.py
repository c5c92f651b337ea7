"""The command's outside: help, lazy imports, exit codes, one line for every failure."""

import os
import signal
import socket
import subprocess
import sys

import click
import msgspec
import pytest
from click.testing import CliRunner
from scripted_server import scripted_server

from benchmarks.ports import free_port
from edge.cli.main import VERBS, EdgeGroup, cli
from edge.domain.schedule.rollout import Move
from edge.domain.targeting.id_sets import IDS_TEXT_LIMIT_BYTES

# Every verb that talks to a node, with arguments that are complete.
API_VERBS = [
    ["app", "list"],
    ["app", "show", "com.acme.app"],
    ["app", "create", "com.acme.app"],
    ["app", "delete", "com.acme.app", "--yes"],
    ["bundle", "list", "com.acme.app"],
    ["bundle", "prune", "com.acme.app", "--keep", "10", "--yes"],
    ["bundle", "show", "com.acme.app", "1.0.0"],
    ["bundle", "delete", "com.acme.app", "1.0.0", "--yes"],
    ["bundle", "withdraw", "com.acme.app", "1.0.0", "--reason", "it crashes", "--yes"],
    ["store", "accept-restored", "--yes"],
    ["bundle", "publish", "com.acme.app", ".", "--version", "1.0.0"],
    ["channel", "create", "com.acme.app", "stable"],
    ["channel", "set", "com.acme.app", "stable", "--public", "--yes"],
    ["channel", "list", "com.acme.app"],
    ["channel", "show", "com.acme.app", "stable"],
    ["channel", "delete", "com.acme.app", "stable", "--yes"],
    ["experiment", "start", "com.acme.app", "stable", "look", "--arm", "a=1.0.0:50", "--arm", "b=1.1.0:50"],
    ["experiment", "show", "com.acme.app", "stable"],
    ["experiment", "stop", "com.acme.app", "stable", "--keep", "a"],
    ["idset", "put", "com.acme.app", "vip", "-"],
    ["idset", "list", "com.acme.app"],
    ["idset", "show", "com.acme.app", "vip"],
    ["idset", "delete", "com.acme.app", "vip", "--yes"],
    ["segment", "set", "com.acme.app", "vip", "--where", "is_prod"],
    ["segment", "list", "com.acme.app"],
    ["segment", "show", "com.acme.app", "vip"],
    ["segment", "delete", "com.acme.app", "vip", "--yes"],
    ["segment", "test", "com.acme.app", "vip", "--body", "-"],
    ["window", "set", "com.acme.app", "stable", "daily 01:00-05:00 UTC"],
    ["window", "clear", "com.acme.app", "stable"],
    ["window", "show", "com.acme.app", "stable"],
    ["node", "list"],
    ["node", "show", "eu-1"],
    ["node", "forget", "eu-1"],
    ["override", "set", "com.acme.app", "00009a6b-eefe-490a-9c60-8e965132ae51", "stable"],
    ["override", "clear", "com.acme.app", "00009a6b-eefe-490a-9c60-8e965132ae51"],
    ["override", "list", "com.acme.app"],
    ["explain", "com.acme.app", "--body", "-"],
    ["history", "com.acme.app"],
    ["rollback", "com.acme.app", "stable"],
    ["rollout", "start", "com.acme.app", "stable", "--bundle", "1.0.0", "--steps", "1,100"],
    ["rollout", "preview", "com.acme.app", "stable", "--bundle", "1.0.0", "--steps", "1,100"],
    ["rollout", "show", "com.acme.app", "stable"],
    *(["rollout", move.value, "com.acme.app", "stable", *(["--yes"] if move is Move.PROMOTE else [])] for move in Move),
    ["undo", "com.acme.app", "--yes"],
    ["stats", "com.acme.app"],
    ["stats", "com.acme.app", "--releases"],
    ["stats", "com.acme.app", "--events"],
    ["token", "create", "ci", "--role", "publisher"],
    ["token", "list"],
    ["login-link"],
    ["token", "revoke", "ci"],
]
SLOW_MODULES = {"aiohttp", "rich", "cryptography", "brotli", "uvloop", "asyncio", "orjson"}


@pytest.fixture
def edge(tmp_path, monkeypatch):
    """Runs the command in an empty directory, without the variables of whoever runs the tests."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("EDGE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))

    def run(*args, **options):
        return CliRunner().invoke(cli, [str(arg) for arg in args], prog_name="edge", **options)

    return run


def imported_by(*args):
    program = (
        "import sys\nfrom edge.cli.main import cli\n"
        f"try:\n    cli({list(args)!r}, prog_name='edge')\n"
        "finally:\n    print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout, {name.partition(".")[0] for name in done.stderr.split()}, set(done.stderr.split())


@pytest.mark.parametrize("args", [["--help"], ["--version"]])
def test_help_and_version_import_nothing_slow_and_no_verb(args):
    _, roots, modules = imported_by(*args)
    assert not roots & SLOW_MODULES
    assert not modules & {f"edge.cli.{verb.module}" for verb in VERBS.values()}


GROUPS = [
    "app",
    "bundle",
    "channel",
    "config",
    "device",
    "experiment",
    "idset",
    "keys",
    "rollout",
    "segment",
    "token",
    "window",
]


@pytest.mark.parametrize("group", GROUPS)
def test_help_of_a_group_imports_nothing_slow(group):
    out, roots, _ = imported_by(group, "--help")
    assert "Commands:" in out
    assert not roots & (SLOW_MODULES - {"asyncio"})


def test_help_lists_every_verb_with_the_words_of_its_module(edge):
    listed = edge("--help").output
    for name, verb in VERBS.items():
        assert f"  {name}" in listed and verb.summary in listed


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_can_be_imported_and_a_groups_help_has_the_listed_summary(edge, name):
    command = cli.get_command(click.Context(cli), name)
    assert edge(name, "--help").exit_code == 0
    if isinstance(command, click.Group):
        assert command.help == VERBS[name].summary


@pytest.mark.parametrize("args", API_VERBS, ids=lambda args: "-".join(args[:2]))
def test_every_verb_takes_url_token_and_json_after_it(edge, args):
    shown = edge(*args, "--help")
    assert shown.exit_code == 0
    for option in ("--url", "--token", "--json"):
        assert option in shown.output


@pytest.mark.parametrize("verb", ["create", "set"])
def test_a_channel_has_the_options_of_every_setting(edge, verb):
    shown = edge("channel", verb, "--help", terminal_width=200).output
    for name in ("self-set", "ios", "android", "electron", "emulator", "device", "dev", "prod"):
        assert f"--{name} / --no-{name} " in shown
    assert "--public / --private " in shown and "--block-under-native / --allow-under-native" in shown
    assert (
        "--bundle V|builtin " in shown and "[major|minor|patch|version_number|none]" in shown and "--replace " in shown
    )


@pytest.mark.parametrize(
    "args",
    [
        ["nonsense"],
        ["app"],
        ["app", "create"],
        ["app", "list", "--nonsense"],
        ["channel", "set", "com.acme.app", "stable"],
        ["channel", "create", "com.acme.app", "stable", "--policy", "loose"],
        ["experiment", "start", "com.acme.app", "stable", "look"],
        ["experiment", "start", "com.acme.app", "stable", "look", "--arm", "a=1.0.0"],
        ["experiment", "start", "com.acme.app", "stable", "look", "--arm", "a=1.0.0:50", "--spread", "b=2h"],
        ["experiment", "start", "com.acme.app", "stable", "look", "--arm", "a=1.0.0:50", "--only", "a"],
        ["experiment", "stop", "com.acme.app", "stable"],
        ["idset", "put", "com.acme.app", "vip", "nowhere.txt"],
        ["segment", "set", "com.acme.app", "vip"],
        ["segment", "set", "com.acme.app", "vip", "--channel", "beta", "--no-channel"],
        ["segment", "set", "com.acme.app", "vip", "--priority", "first"],
        ["segment", "set", "com.acme.app", "vip", "--never-yield", "--default-yield"],
        ["segment", "test", "com.acme.app", "vip"],
        ["segment", "test", "com.acme.app", "vip", "--body", "-", "--device", "d"],
        ["window", "set", "com.acme.app", "stable"],
        ["bundle", "publish", "com.acme.app", "."],
        ["bundle", "publish", "com.acme.app", "nowhere", "--version", "1.0.0"],
        ["token", "create", "ci"],
        ["history", "com.acme.app", "--limit", "0"],
        ["explain", "com.acme.app", "--body", "nowhere.json"],
        ["explain", "com.acme.app"],
        ["explain", "com.acme.app", "--country", "DE"],
        ["explain", "com.acme.app", "--body", "-", "--platform", "ios"],
        ["rollout", "start", "com.acme.app", "stable", "--bundle", "1.0.0"],
        ["rollout", "start", "com.acme.app", "stable", "--bundle", "1.0.0", "--steps", "1", "--id", "a b"],
        ["rollout", "preview", "com.acme.app", "stable", "--bundle", "1.0.0", "--steps", "1", "--devices", "1001"],
        ["rollout", "explode", "com.acme.app", "stable"],
        ["undo", "com.acme.app", "--revision", "0"],
        ["bundle", "withdraw", "com.acme.app", "1.0.0"],
        ["device", "update", "--app", "com.acme.app"],
        ["device", "update", "--app", "a.b", "--state", "s", "--plugin", "8.0.0", "--platform", "windows"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_2_and_shows_the_usage(edge, args):
    done = edge(*args, env={"EDGE_TOKEN": "edge_x"})
    assert done.exit_code == 2
    assert "Usage: edge" in done.stderr
    assert done.stdout == ""


def failure_of(done):
    """The one line of a failed command."""
    assert done.exit_code == 1
    assert done.stdout == ""
    assert done.stderr.startswith("edge: ") and done.stderr.count("\n") == 1 and done.stderr.endswith("\n")
    return done.stderr.removeprefix("edge: ").strip()


@pytest.fixture
def nobody():
    """An address that nobody listens on."""
    return f"http://127.0.0.1:{free_port()}"


def test_a_node_that_is_not_there_is_one_line(edge, nobody):
    reason = failure_of(edge("app", "list", "--url", nobody, "--token", "edge_x", "--json"))
    assert reason == f"no answer from {nobody}: connection refused (is `edge serve` running there?)"


def test_without_a_token_the_line_says_where_it_was_looked_for(edge):
    assert "no node has its data here (edge-data/node/admin.token)" in failure_of(edge("app", "list"))


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ("port = 1", "http://127.0.0.1:1"),
        ('host = "::1"\nport = 1', "http://[::1]:1"),
        ('host = "0.0.0.0"\nport = 1\ninsecure = true', "http://127.0.0.1:1"),
    ],
)
def test_without_an_address_the_node_of_this_machine_is_asked(edge, tmp_path, settings, url):
    file = tmp_path / "edge.toml"
    file.write_text(f"[control]\n{settings}\n")
    assert url in failure_of(edge("app", "list", "--token", "edge_x", "--config", file))


def test_the_token_of_this_machine_is_never_sent_elsewhere(edge, tmp_path):
    put_token(tmp_path / "edge-data")
    reason = failure_of(edge("app", "list", "--url", "http://192.0.2.1:8081"))
    assert reason == "no token for http://192.0.2.1:8081: use `edge login http://192.0.2.1:8081`, --token or EDGE_TOKEN"


def put_token(data_dir):
    (data_dir / "node").mkdir(parents=True)
    (data_dir / "node" / "admin.token").write_text("edge_x\n")


@pytest.mark.parametrize("way", ["default", "environment", "file", "file of the environment"])
def test_the_token_is_found_in_the_data_directory_that_the_configuration_names(edge, tmp_path, way):
    data_dir = tmp_path / ("edge-data" if way == "default" else "elsewhere")
    put_token(data_dir)
    file = tmp_path / "edge.toml"
    file.write_text(f'data_dir = "{data_dir}"\n')
    options = ["--config", file] if way == "file" else []
    env = {"environment": {"EDGE_DATA_DIR": str(data_dir)}, "file of the environment": {"EDGE_CONFIG": str(file)}}
    with scripted_server() as server:
        server.script.append((200, b"[]"))
        own = {"EDGE_CONTROL_PORT": server.url.rpartition(":")[2]} | env.get(way, {})
        assert edge("app", "list", "--url", server.url, *options, env=own).exit_code == 0
    assert server.seen[0]["authorization"] == "Bearer edge_x"


def test_a_url_that_is_none_is_one_line(edge):
    assert "is not an address like" in failure_of(edge("app", "list", "--url", "http://["))


def test_a_token_of_strange_characters_is_one_line_without_the_token(edge):
    reason = failure_of(edge("app", "list", "--token", "sécret\n"))
    assert "printable" in reason and "cret" not in reason


def test_a_bundle_version_is_checked_before_anything_is_asked(edge, nobody):
    done = edge("bundle", "publish", "a.b", ".", "--version", "one", "--url", nobody, "--token", "edge_x")
    assert "bundle version 'one' is not a semantic version" in failure_of(done)


def test_a_list_of_ids_from_stdin_is_bounded_before_anything_is_sent(edge, nobody):
    too_much = b"x" * (IDS_TEXT_LIMIT_BYTES + 1)
    done = edge("idset", "put", "a.b", "vip", "-", "--url", nobody, "--token", "edge_x", input=too_much)
    assert failure_of(done) == f"the list exceeds the limit of {IDS_TEXT_LIMIT_BYTES} bytes"


@pytest.mark.parametrize(("content", "reason"), [("{", "not JSON"), (" " * (1024 * 1024 + 1), "exceeds")])
def test_explain_refuses_a_body_that_is_none_before_it_is_sent(edge, nobody, content, reason):
    done = edge("explain", "a.b", "--body", "-", "--url", nobody, "--token", "edge_x", input=content)
    assert reason in failure_of(done)


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        (["--plugin", "not-a-version", "--platform", "ios"], "not-a-version"),
        (["--plugin", "8.51.14", "--platform", "ios", "--device-id", "me"], "device id 'me' is not a UUID"),
        (["--plugin", "8.51.14", "--platform", "ios", "--url", "nowhere"], "is not an address like"),
    ],
)
def test_a_device_that_cannot_be_is_one_line(edge, args, reason):
    assert reason in failure_of(edge("device", "update", "--app", "a.b", "--state", "s", *args))


def test_config_check_and_show(edge, tmp_path):
    file = tmp_path / "edge.toml"
    file.write_text("[devices]\nport = 1\n")
    assert edge("config", "check", "--config", file).stdout == f"{file}: valid\n"
    shown = edge("config", "show", "--config", file, "--json", env={"EDGE_LOG_LEVEL": "debug"})
    found = {each["option"]: (each["value"], each["origin"]) for each in msgspec.json.decode(shown.stdout)}
    assert found["devices.port"] == (1, str(file))
    assert found["log.level"] == ("debug", "env EDGE_LOG_LEVEL")
    assert found["data_dir"] == ("edge-data", "default")


def test_every_verb_warns_before_a_token_crosses_the_network_unencrypted(edge):
    done = edge("app", "list", "--url", "http://control.invalid", "--token", "edge_x")
    assert "warning: http://control.invalid is not encrypted" in done.stderr


def test_a_verb_finds_the_configuration_in_the_working_directory(edge, tmp_path):
    (tmp_path / "edge.toml").write_text("[devices]\nprot = 1\n")
    for verb in (("config", "check"), ("config", "show"), ("serve",), ("app", "list")):
        assert failure_of(edge(*verb)) == "edge.toml: devices.prot: unknown option (did you mean devices.port?)"
    (tmp_path / "edge.toml").write_text("[devices]\nport = 1\n")
    assert edge("config", "check").stdout == "edge.toml: valid\n"


@pytest.mark.parametrize("verb", ["check", "show"])
def test_a_configuration_that_is_wrong_is_one_line_with_file_and_reason(edge, tmp_path, verb):
    file = tmp_path / "edge.toml"
    file.write_text("[devices]\nprot = 1\n")
    reason = failure_of(edge("config", verb, "--config", file, "--json"))
    assert reason == f"{file}: devices.prot: unknown option (did you mean devices.port?)"


@pytest.mark.parametrize(
    ("environ", "reason"),
    [
        ({"EDGE_DEVICES_HOST": "no-such-host.invalid"}, "cannot listen on no-such-host.invalid: "),
        ({"EDGE_DEVICES_HOST": "192.0.2.7"}, "cannot listen on 192.0.2.7: Cannot assign requested address"),
        ({"EDGE_DATA_DIR": "a-file"}, "a-file: Not a directory"),
        ({"EDGE_DATA_DIR": "a-file/below"}, "a-file: Not a directory"),
        ({"EDGE_CONTROL_PORT": "8080"}, "control.port: 8080 is also devices.port"),
    ],
)
def test_config_check_finds_what_would_stop_a_start(edge, tmp_path, environ, reason):
    (tmp_path / "a-file").touch()
    assert reason in failure_of(edge("config", "check", env=environ))


A_REGION = {"EDGE_ROLE": "region", "EDGE_UPSTREAM_SOURCE": "https://origin.example.com:8081"}


@pytest.mark.parametrize(
    ("environ", "reason"),
    [
        (A_REGION | {"EDGE_UPSTREAM_TOKEN_FILE": "gone"}, "gone, the token for the node above: No such file"),
        (A_REGION | {"EDGE_UPSTREAM_TOKEN_FILE": "empty"}, "empty, the token for the node above, holds no token"),
        ({"EDGE_STORE_URL": "s3://a-bucket/x", "EDGE_STORE_CREDENTIALS_FILE": "gone"}, "gone cannot be read"),
        (
            {"EDGE_TELEMETRY_CLICKHOUSE": "http://u@127.0.0.1:1/d", "EDGE_TELEMETRY_CLICKHOUSE_PASSWORD_FILE": "gone"},
            "cannot read the password of ClickHouse in gone",
        ),
    ],
)
def test_config_check_reads_the_files_that_it_names(edge, tmp_path, environ, reason):
    (tmp_path / "empty").touch()
    assert reason in failure_of(edge("config", "check", env=environ))


def test_config_check_lists_every_fault(edge, tmp_path):
    (tmp_path / "a-file").touch()
    done = edge("config", "check", env={"EDGE_DATA_DIR": "a-file", "EDGE_DEVICES_HOST": "192.0.2.7"})
    assert done.exit_code == 1
    assert "a-file: Not a directory" in done.stderr and "cannot listen on 192.0.2.7" in done.stderr


def test_a_data_directory_may_be_missing(edge):
    assert edge("config", "check", env={"EDGE_DATA_DIR": "new/below"}).exit_code == 0


def test_a_configuration_that_is_not_there_is_one_line(edge):
    assert failure_of(edge("config", "check", "--config", "gone.toml")) == "gone.toml: No such file or directory"


def test_a_table_in_a_pipe_is_plain_aligned_text(edge):
    lines = edge("config", "show").stdout.splitlines()
    assert lines[0].split() == ["OPTION", "VALUE", "FROM"]
    assert all(line.isascii() for line in lines)
    assert len({line.index("default") for line in lines[1:]}) == 1


@pytest.mark.parametrize(
    "verb",
    [
        "rollback a.b c",
        "experiment stop a.b c --keep d",
        "message cancel a.b c",
        "device erase a.b c",
        "rollout start a.b c --bundle 1.0.0 --steps 1,100",
        *(f"rollout {move} a.b c" for move in ("pause", "resume", "advance", "promote", "rollback")),
    ],
)
def test_a_verb_that_asks_nothing_takes_yes_as_those_that_ask(edge, verb):
    at = ("--yes", "--url", "http://127.0.0.1:1", "--token", "edge_x")
    assert "no answer from http://127.0.0.1:1" in failure_of(edge(*verb.split(), *at))


def test_an_interrupt_is_130_without_a_trace():
    program = "import sys; from edge.cli.main import cli; cli(sys.argv[1:], prog_name='edge')"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        args = [sys.executable, "-c", program, "app", "list", "--url", url, "--token", "edge_x"]
        with subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
            silent.settimeout(20)
            with silent.accept()[0] as connection:
                assert connection.recv(1)  # it waits for an answer now
                running.send_signal(signal.SIGINT)
                out, errors = running.communicate(timeout=120)
    assert (running.returncode, out, errors.strip()) == (130, "", "")


def test_a_reader_that_leaves_is_no_error():
    program = (
        "import os, sys; r, w = os.pipe(); os.dup2(w, 1); os.close(w); os.close(r);"
        "from edge.cli.main import cli; cli(['config', 'show'], prog_name='edge')"
    )
    environ = {name: value for name, value in os.environ.items() if not name.startswith("EDGE_")}
    done = subprocess.run([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True, timeout=120, env=environ)
    assert done.stderr == ""


class Broken(EdgeGroup):
    def get_command(self, ctx, cmd_name):
        return click.Command("broken", callback=lambda: [][0])


def test_our_own_bugs_rise():
    """An exception that nobody expected is not dressed up as the user's fault."""
    with pytest.raises(IndexError):
        Broken("edge").main(["broken"])


@pytest.mark.parametrize(("typed", "meant"), [("publsh", "publish"), ("rolback", "rollback"), ("apps", "app")])
def test_a_verb_that_is_nearly_right_is_named(edge, typed, meant):
    done = edge(typed, "com.example.app")
    assert done.exit_code == 2
    assert f"unknown verb {typed!r} (did you mean {meant}?)" in done.stderr


def test_a_verb_like_no_other_is_refused_plainly(edge):
    done = edge("zzz")
    assert done.exit_code == 2 and "did you mean" not in done.stderr
