"""An app's own file: `edge init` writes it from the folder, and `edge publish` needs nothing else."""

import json
import os
import re
import shutil

import pytest
from click.testing import CliRunner
from running_node import web_build, write_folder
from scripted_server import scripted_server

from edge.bundles.intake.probable_mistakes import warning_of_order, warning_of_source
from edge.cli.app_folder.app_file import channel_of_branch
from edge.cli.app_folder.branches import _MERGE_REQUESTS, _PULL_REQUESTS, find_branch
from edge.cli.main import cli
from edge.cli.terminal.logins import Login, Logins

APP = "com.example.app"
CONFIG = "const config: CapacitorConfig = { appId: 'com.example.app', webDir: 'dist', appName: name() };"
SERVICES = ("GITHUB_REF", "GITLAB_CI", "CI_COMMIT_BRANCH", "BRANCH_NAME", *_MERGE_REQUESTS, *_PULL_REQUESTS)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The app's folder, which is the working directory: a built app on branch `main`."""
    for name in (*SERVICES, *(name for name in os.environ if name.startswith("EDGE_"))):
        monkeypatch.delenv(name, raising=False)
    write_folder(tmp_path / "dist", web_build(1) | {"app.js.map": b"{}"})
    (tmp_path / "capacitor.config.ts").write_text(CONFIG)
    (tmp_path / "package.json").write_text('{"version": "1.0.0"}')
    on_branch(tmp_path, "main")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def on_branch(folder, name):
    (folder / ".git").mkdir(exist_ok=True)
    (folder / ".git/HEAD").write_text(f"ref: refs/heads/{name}\n")


def edge(*args, **options):
    return CliRunner().invoke(cli, args, prog_name="edge", **options)


# edge init


def test_init_writes_what_the_folder_says(folder):
    done = edge("init", "--server", "https://control.example.com")
    assert done.exit_code == 0, done.output
    assert json.loads((folder / "edge.json").read_text()) == {
        "server": "https://control.example.com",
        "app": APP,
        "web": "dist",
        "channels": {"main": "production"},
    }
    assert "appName is not a literal and was not read" in done.stderr
    assert "branch main is published to channel production" in done.stdout


def test_init_overwrites_only_by_force(folder):
    assert edge("init").exit_code == 0
    (folder / "edge.json").write_text("mine")
    done = edge("init")
    assert done.exit_code == 1 and "--force" in done.stderr and (folder / "edge.json").read_text() == "mine"
    assert edge("init", "--force", "--json", "--channel", "stable").exit_code == 0
    assert json.loads((folder / "edge.json").read_text())["channels"] == {"main": "stable"}


def test_init_says_what_it_could_not_find(folder):
    (folder / "capacitor.config.ts").write_text("export default { appId: id(), x: 1 }")
    done = edge("init")
    assert done.exit_code == 1 and "appId is not a literal in capacitor.config.ts; use --app" in done.stderr
    done = edge("init", "--app", APP)
    assert done.exit_code == 0 and "webDir is not set in capacitor.config.ts: assumed 'dist'" in done.stderr
    (folder / "capacitor.config.ts").unlink()
    assert "no capacitor.config.json, .ts or .js in this folder" in edge("init", "--force").stderr


# edge publish


def write_app_file(folder, **changed):
    """Over what the file says already."""
    file = folder / "edge.json"
    known = json.loads(file.read_text()) if file.exists() else {"app": APP, "web": "dist"}
    channels = {"main": "production", "feature/*": "preview"}
    file.write_text(json.dumps(known | {"channels": channels} | changed))


@pytest.fixture
def ready(folder, node, request):
    """A folder whose app, of this test's own, is there with its channels."""
    app = "com.example." + "".join(c if c.isalnum() else "-" for c in request.node.name)[:80]
    node.text("app", "create", app)
    for channel in ("production", "preview"):
        node.text("channel", "create", app, channel)
    write_app_file(folder, app=app, server=node.control)
    return folder


def test_publish_needs_nothing_but_the_folder(node, ready):
    done = node.json("publish")
    assert (done["version"], done["channels"]) == ("1.0.0", ["production"])
    assert [each["name"] for each in done["left_out"]] == ["app.js.map"]


def test_the_server_of_the_file_is_asked_unless_the_environment_names_one(node, ready):
    write_app_file(ready, server="http://127.0.0.1:9")
    asked = edge("publish", env={"EDGE_CONTROL_PORT": "9", "EDGE_TOKEN": "edge_x"})
    assert "no answer from http://127.0.0.1:9" in asked.stderr
    assert node.run("publish").exit_code == 0


# What a folder that may be anybody's is not believed


@pytest.fixture
def listening(ready):
    """A port of this machine that edge.json names as the server, and what arrives there."""
    with scripted_server() as server:
        write_app_file(ready, server=server.url)
        yield server


@pytest.mark.parametrize("environment", [{"EDGE_TOKEN": "edge_secret"}, {"EDGE_TOKEN": None}])
def test_no_token_goes_to_a_server_that_the_file_alone_names(node, listening, environment):
    done = node.run("publish", env={"EDGE_URL": None} | environment)
    assert done.exit_code == 1 and f"`edge login {listening.url}`" in done.stderr and "EDGE_URL" in done.stderr
    assert listening.seen == []


def test_a_stored_login_is_for_its_own_server(node, listening, tmp_path):
    config = {"XDG_CONFIG_HOME": str(tmp_path / "config"), "EDGE_URL": None, "EDGE_TOKEN": "edge_other"}
    Logins(config).store(node.control, Login(token="edge_x", name="x", expires=None))
    assert node.run("publish", env=config).exit_code == 1
    assert listening.seen == []
    Logins(config).store(listening.url, Login(token="edge_y", name="y", expires=None))
    node.run("publish", env=config)
    assert {seen["authorization"] for seen in listening.seen} == {"Bearer edge_y"}


def test_the_token_of_the_own_node_goes_to_its_own_port_alone(node, listening):
    assert "this machine's node is at" in node.failure("app", "list", env={"EDGE_URL": listening.url})
    assert "this machine's node is at" in node.failure(
        "app", "list", env={"EDGE_URL": node.control.replace("127.0.0.1", "127.0.0.2")}
    )
    assert listening.seen == []
    assert node.run("app", "list", env={"EDGE_URL": node.control.replace("127.0.0.1", "localhost")}).exit_code == 0


@pytest.mark.parametrize("through_a_link", [False, True])
def test_the_web_folder_stays_inside_the_apps(node, ready, tmp_path_factory, through_a_link):
    outside = tmp_path_factory.mktemp("private")
    write_folder(outside, web_build(1))
    if through_a_link:
        (ready / "link").symlink_to(outside)
    write_app_file(ready, web="link" if through_a_link else str(outside))
    assert "leads out of the app's folder" in node.failure("publish")
    assert "leads out of the app's folder" in node.run("app", "doctor").stderr


@pytest.mark.parametrize("name", ["id_rsa", ".env", ".ENV"])
def test_the_file_includes_no_secrets(node, ready, name):
    (ready / "dist" / name).write_text("x")
    write_app_file(ready, include=[name])
    assert "Leave each out with --exclude" in node.run("publish").stderr
    assert node.run("publish", "--include", name).exit_code == 0


def test_the_branch_gives_the_channel(node, ready):
    on_branch(ready, "feature/login")
    assert node.json("publish")["channels"] == ["preview"]
    on_branch(ready, "other")
    assert "no channel for branch 'other'" in node.run("publish", "--version", "7.0.0").stderr
    assert node.json("publish", "--no-channel", "--version", "7.0.1")["channels"] == []
    (ready / ".git/HEAD").write_text("0123456789abcdef\n")
    assert "a tag or a detached HEAD" in node.run("publish", "--version", "7.0.2").stderr
    assert node.json("publish", "--channel", "preview", "--version", "7.0.3")["channels"] == ["preview"]


def test_a_folder_outside_git_is_named_as_such(node, ready):
    shutil.rmtree(ready / ".git", ignore_errors=True)
    said = node.run("publish").stderr
    assert "no channel for this folder, which is not in a git repository: use --channel NAME or --no-channel" in said
    assert (
        "no git branch here: use `edge publish --channel stable`"
        in edge("init", "--force", "--channel", "stable").stderr
    )


def test_the_device_port_is_not_the_control_api(node):
    reason = node.failure("app", "list", "--token", "edge_x", env={"EDGE_URL": node.devices})
    assert reason.startswith(f"{node.devices} is a node's device port, not its control API")


def test_what_the_file_excludes_is_left_out_and_options_come_after(node, ready):
    write_app_file(ready, exclude=["icons", "*.jpg"], include=["app.js.map"])
    done = node.json("publish", "--include", "assets/photo.jpg")
    assert done["files"] == len(web_build(1)) - 20 + 1


def test_an_app_is_published_from_elsewhere_as_from_its_folder(node, ready, tmp_path_factory, monkeypatch):
    (ready / ".edgeignore").write_text("icons")
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    done = node.json("publish", "--file", ready / "edge.json")
    assert (done["files"], done["channels"]) == (len(web_build(1)) - 20, ["production"])


def test_a_key_of_the_file_encrypts(node, ready):
    node.text("keys", "create", "--out", ready)
    write_app_file(ready, key=".capgo_key_v2")
    done = node.run("publish", "--json")
    assert json.loads(done.stdout)["encrypted"] is True
    assert "warning: the app has no publicKey" in done.stderr


def test_a_plain_bundle_for_an_app_with_a_key_is_warned_about(node, ready):
    (ready / "capacitor.config.ts").write_text("export default {plugins: {CapacitorUpdater: {publicKey: 'x'}}}")
    assert "warning: the app has a publicKey" in node.run("publish").stderr
    (ready / "capacitor.config.ts").write_text("export default makeConfig()")
    assert node.run("publish").exit_code == 0


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "run `edge init`"),
        ('{"app": "a.b"}', "missing required field `web`"),
        ('{"app": "a.b", "web": "dist", "chanels": {}}', "unknown field `chanels`"),
        ('{"app": "com.example.app", "web": "www", "channels": {"main": "production"}}', "build the app first"),
        ("nonsense", "edge.json: JSON is malformed"),
    ],
)
def test_a_file_that_is_wrong_is_one_line(folder, content, says):
    if content is not None:
        (folder / "edge.json").write_text(content)
    done = edge("publish")
    assert done.exit_code == 1 and says in done.stderr and done.stderr.count("\n") == 1


def test_without_a_version_it_is_asked_for(node, ready):
    (ready / "package.json").write_text("{}")
    assert "--version" in node.run("publish").stderr


def test_publish_takes_every_option_that_bundle_publish_takes():
    def options(*verb):
        return set(re.findall(r"--[a-z-]+", edge(*verb, "--help").output))

    apart = {"--session-key", "--checksum", "--key-id"}
    assert options("bundle", "publish") - apart <= options("publish")


# Branches


@pytest.mark.parametrize(
    ("environ", "branch"),
    [
        ({"GITHUB_REF": "refs/heads/feature/x"}, "feature/x"),
        ({"GITHUB_REF": "refs/pull/12/merge", "GITHUB_HEAD_REF": "main"}, "pull/12"),
        ({"GITHUB_REF": "refs/tags/v1"}, ""),
        ({"GITLAB_CI": "true", "CI_COMMIT_BRANCH": "main"}, "main"),
        ({"GITLAB_CI": "true", "CI_MERGE_REQUEST_IID": "7", "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "main"},
         "merge-request/7"),
        ({"GITLAB_CI": "true", "CI_COMMIT_TAG": "v1"}, ""),
        ({"BRANCH_NAME": "develop"}, "develop"),
        ({"GITHUB_REF": "refs/heads/main", "GITHUB_EVENT_NAME": "push"}, "main"),
        ({"GITHUB_REF": "refs/heads/main", "GITHUB_EVENT_NAME": "pull_request_target"}, ""),
        ({"BUILDKITE_BRANCH": "main", "BUILDKITE_PULL_REQUEST": "12"}, "pull/12"),
        ({"BUILDKITE_BRANCH": "main", "BUILDKITE_PULL_REQUEST": "false"}, "main"),
        ({"BITBUCKET_BRANCH": "main", "BITBUCKET_PR_ID": "12"}, "pull/12"),
        ({"DRONE_PULL_REQUEST": "12", "DRONE_BRANCH": "main"}, "pull/12"),
        ({"BUILD_SOURCEBRANCH": "refs/heads/main"}, "main"),
        ({"BUILD_SOURCEBRANCH": "refs/pull/12/merge"}, "pull/12"),
        ({"BUILD_SOURCEBRANCH": "refs/heads/main", "SYSTEM_PULLREQUEST_PULLREQUESTID": "12"}, "pull/12"),
        ({"ghprbPullId": "12", "BRANCH_NAME": "main"}, "pull/12"),
        ({"CHANGE_ID": "12", "BRANCH_NAME": "PR-12"}, "pull/12"),
        ({"CIRCLE_BRANCH": "main", "CIRCLE_PULL_REQUEST": "https://github.com/o/r/pull/12"}, "pull/12"),
        ({"CIRCLE_BRANCH": "main", "CIRCLE_PULL_REQUEST": "somewhere"}, ""),
        ({"TRAVIS_PULL_REQUEST": "12"}, "pull/12"),
        ({"GITLAB_CI": "true", "CI_COMMIT_BRANCH": "main", "CI_EXTERNAL_PULL_REQUEST_IID": "12"}, "pull/12"),
        ({"gitlabMergeRequestIid": "7", "BRANCH_NAME": "main"}, "merge-request/7"),
        ({}, "work"),
    ],
)  # fmt: skip
def test_the_branch_is_the_one_of_the_ci_service_or_the_working_copy(tmp_path, environ, branch):
    on_branch(tmp_path, "work")
    (tmp_path / "app").mkdir()
    assert find_branch(environ, tmp_path / "app") == branch


def test_a_worktree_has_its_own_branch(tmp_path):
    (tmp_path / "git/worktrees/w").mkdir(parents=True)
    (tmp_path / "git/worktrees/w/HEAD").write_text("ref: refs/heads/side\n")
    (tmp_path / "w").mkdir()
    (tmp_path / "w/.git").write_text(f"gitdir: {tmp_path}/git/worktrees/w\n")
    assert find_branch({}, tmp_path / "w") == "side"


def test_the_first_pattern_that_matches_decides():
    channels = {"main": "production", "release/*": "beta", "*": "preview"}
    assert [channel_of_branch(channels, name) for name in ("main", "release/1/x", "x")] == [
        "production", "beta", "preview",
    ]  # fmt: skip
    assert channel_of_branch({"main": "production"}, "mainly") is None


# Warnings


@pytest.mark.parametrize(
    ("version", "other"),
    [("1.0.8-abc", "1.0.9-abc"), ("1.0.8-abc.1+5", "1.0.9-abc.1+5")]
    + [(version, "") for version in ("1.0.8", "1.0.8+abc", "no version")],
)
def test_a_prerelease_below_its_own_native_version_is_warned_about(version, other):
    warning = warning_of_order(version)
    assert bool(warning) == bool(other) and warning.endswith(other)


@pytest.mark.parametrize(
    ("names", "beside"),
    [
        (
            ["index.html", "package.json", "node_modules/a/b.js", "yarn.lock"],
            "package.json and node_modules, yarn.lock",
        ),
        (["index.html", "package.json", "assets/yarn.lock"], ""),
        (["index.html", "node_modules/a.js"], ""),
        (["index.html", "vendor/package.json", "vendor/node_modules/a.js"], ""),
    ],
)
def test_the_apps_source_is_told_from_a_build(names, beside):
    warning = warning_of_source(names)
    assert bool(warning) == bool(beside) and beside in warning


def test_a_channel_that_does_not_block_below_native_warns_nobody(node, ready):
    app = json.loads((ready / "edge.json").read_text())["app"]
    node.text("channel", "create", app, "open", "--allow-under-native")
    assert node.json("publish", "--version", "9.1.8-abc", "--channel", "open")["warnings"] == []


def test_the_warning_comes_before_the_work_and_in_the_result(node, ready):
    for name in ("package.json", "package-lock.json"):
        (ready / "dist" / name).write_text("{}")
    done = node.run("publish", "--version", "9.0.8-abc", "--json")
    assert "warning: 9.0.8-abc is lower than 9.0.8" in done.stderr and "warning: there are package.json" in done.stderr
    assert len(json.loads(done.stdout)["warnings"]) == 2


# Completion


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_verbs_and_options(shell):
    script = edge("completion", shell).output
    assert "_EDGE_COMPLETE" in script and f"{shell}_complete" in script
    words = {"bash": "edge bundle pub", "zsh": "edge bundle pub", "fish": "edge bundle pub"}[shell]
    asked = {
        "_EDGE_COMPLETE": f"{shell}_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": "pub" if shell == "fish" else "2",
    }
    assert "publish" in CliRunner().invoke(cli, prog_name="edge", env=asked).output
