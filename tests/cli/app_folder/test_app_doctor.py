"""`edge app doctor`: each thing that would keep devices from updating is found, with its remedy, before a release."""

import json

import pytest
from click.testing import CliRunner

from edge.bundles.encryption.rsa_keys import create_key_files
from edge.cli.app_folder.folder import _policies
from edge.cli.main import cli

NODE = "https://updates.example.com"
SETTINGS = {
    "autoUpdate": True,
    "updateUrl": f"{NODE}/updates",
    "statsUrl": f"{NODE}/stats",
    "channelUrl": f"{NODE}/channel_self",
}
KEY = "-----BEGIN RSA PUBLIC KEY-----\nMIIBCgKCAQEA\n-----END RSA PUBLIC KEY-----\n"
POLICY = '<meta http-equiv="Content-Security-Policy" content="{}">'


@pytest.fixture
def app(tmp_path):
    """An app in good order."""
    return App(tmp_path)


class App:
    def __init__(self, folder):
        self.folder = folder
        self.settings = dict(SETTINGS)
        self.config = {"appId": "com.example.app", "webDir": "dist"}
        self.dependencies = {"@capgo/capacitor-updater": "^8.51.0", "@capacitor/core": "^8.0.0"}
        self.lock = {"node_modules/@capgo/capacitor-updater": {"version": "8.51.23"}}
        self.script = "import('x');a.notifyAppReady();"
        self.page = "<!doctype html>"
        self.app_file = {"app": "com.example.app", "web": "dist", "channels": {"main": "production"}}

    def write(self):
        config = {**self.config, "plugins": {"CapacitorUpdater": self.settings}}
        files = {
            "capacitor.config.json": json.dumps(config),
            "package.json": json.dumps({"version": "1.0.0", "dependencies": self.dependencies}),
            "package-lock.json": json.dumps({"packages": self.lock}),
            "edge.json": json.dumps(self.app_file) if self.app_file else None,
            "dist/index.html": self.page,
            "dist/assets/app.js": self.script,
        }
        for name, content in files.items():
            if content is not None:
                (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
                (self.folder / name).write_text(content)

    def findings(self, *args):
        """(level, about, says) of what is not in order."""
        self.write()
        done = CliRunner().invoke(cli, ["app", "doctor", str(self.folder), "--json", *args], prog_name="edge")
        found = json.loads(done.stdout)
        assert done.exit_code == any(each["level"] == "error" for each in found)
        assert all(each["remedy"] for each in found if each["level"] != "ok")
        return [(each["level"], each["about"], each["says"]) for each in found if each["level"] != "ok"]


def test_an_app_in_good_order_has_no_fault_and_exits_0(app):
    assert app.findings() == []
    told = CliRunner().invoke(cli, ["app", "doctor", str(app.folder)], prog_name="edge").stdout
    assert "8.51.23, downloads only the files that changed" in told and told.endswith("0 errors, 0 warnings\n")


SETTING_FAULTS = [
    ({"updateUrl": None}, "error", "updateUrl", "hosted service"),
    ({"channelUrl": None}, "warning", "channelUrl", "hosted service"),
    ({"statsUrl": ""}, "warning", "statsUrl", "receives no failure reports"),
    ({"updateUrl": "updates.example.com"}, "error", "updateUrl", "not an http(s) address"),
    ({"updateUrl": f"{NODE}/update"}, "error", "updateUrl", "does not end in /updates"),
    ({"updateUrl": "http://updates.example.com/updates"}, "error", "updateUrl", "has no TLS"),
    ({"updateUrl": "http://192.168.1.20:8080/updates"}, "warning", "updateUrl", "has no TLS"),
    ({"statsUrl": "https://other.example.com/stats"}, "warning", "addresses", "several hosts"),
    ({"autoUpdate": False}, "warning", "autoUpdate", "off"),
    ({"autoUpdate": "sometimes"}, "warning", "autoUpdate", "not a mode"),
    ({"directUpdate": True}, "warning", "directUpdate", "deprecated"),
    ({"appReadyTimeout": 10}, "error", "appReadyTimeout", "rolled back"),
    ({"appReadyTimeout": 2000}, "warning", "appReadyTimeout", "short"),
    ({"periodCheckDelay": 60}, "warning", "periodCheckDelay", "600"),
    ({"version": "dev"}, "warning", "version", "is not a version"),
    ({"privateKey": "x"}, "error", "privateKey", "everyone"),
    ({"publicKey": "MIIB"}, "error", "publicKey", "not a PKCS#1"),
    ({"defaultChannel": "beta"}, "warning", "defaultChannel", "no branch"),
    ({"appId": "com.example.other"}, "error", "edge.json", "devices ask for com.example.other"),
]


@pytest.mark.parametrize(("changed", "level", "about", "says"), SETTING_FAULTS, ids=lambda v: str(v)[:40])
def test_a_fault_of_the_settings_is_found(app, changed, level, about, says):
    for name, value in changed.items():
        app.settings[name] = value
        if value is None:
            del app.settings[name]
    found = app.findings()
    assert any(each[:2] == (level, about) and says in each[2] for each in found), found


@pytest.mark.parametrize(
    ("version", "level", "says"),
    [
        ("10.0.0", "error", "by mistake"),
        ("4.3.0", "error", "older than any"),
        ("99.0.0", "warning", "newer than this"),
        ("7.8.0", "warning", "7.x with @capacitor/core 8.x"),
    ],
)
def test_a_fault_of_the_plugins_version_is_found(app, version, level, says):
    app.lock["node_modules/@capgo/capacitor-updater"]["version"] = version
    found = app.findings()
    assert any(each[:2] == (level, "plugin") and says in each[2] for each in found), found


def test_a_missing_plugin_is_found(app):
    app.dependencies, app.lock = {}, {}
    assert [each[:2] for each in app.findings()] == [("error", "plugin")]


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("yarn.lock", '"@capgo/capacitor-updater@^8.51.0":\n  version "8.51.20"\n  resolved "x"\n'),
        ("yarn.lock", '"@capgo/capacitor-updater@npm:^8.51.0":\n  version: 8.51.20\n'),
        ("pnpm-lock.yaml", "packages:\n\n  '@capgo/capacitor-updater@8.51.20':\n    resolution: {}\n"),
        ("bun.lock", '  "packages": {\n    "@capgo/capacitor-updater": ["@capgo/capacitor-updater@8.51.20", ""],\n'),
        ("node_modules/@capgo/capacitor-updater/package.json", '{"version": "8.51.20"}'),
    ],
)
def test_every_lock_file_tells_the_version(app, file, content):
    app.lock = {}
    (app.folder / file).parent.mkdir(parents=True, exist_ok=True)
    (app.folder / file).write_text(content)
    app.findings()
    assert "plugin: 8.51.20" in CliRunner().invoke(cli, ["app", "doctor", str(app.folder)], prog_name="edge").stdout


def test_a_range_is_no_release(app):
    app.lock = {}
    assert app.findings() == [("warning", "plugin", "'^8.51.0' is a range, not a release")]


def test_notify_app_ready_is_looked_for_in_what_is_built_and_in_the_sources(app):
    app.script = "nothing"
    assert [each[:2] for each in app.findings()] == [("error", "notifyAppReady")]
    (app.folder / "src/app").mkdir(parents=True)
    (app.folder / "src/app/main.ts").write_text("CapacitorUpdater.notifyAppReady()")
    assert app.findings() == []


def test_the_plugin_itself_does_not_count_as_a_caller(app):
    app.script = "nothing"
    (app.folder / "node_modules/x").mkdir(parents=True)
    (app.folder / "node_modules/x/index.js").write_text("notifyAppReady")
    assert app.findings() != []


def test_live_reload_is_found(app):
    app.config["server"] = {"url": "http://192.168.1.5:5173"}
    assert [each[:2] for each in app.findings()] == [("error", "server.url")]


def test_the_key_must_be_the_one_of_the_file(app, tmp_path):
    app.settings["publicKey"] = KEY
    assert app.findings() == []
    (tmp_path / ".capgo_key_v2.pub").write_text(KEY.replace("\n", "\r\n"))
    assert app.findings() == []
    (tmp_path / "other.pub").write_text(KEY.replace("MIIB", "MIIC"))
    assert [each[:2] for each in app.findings("--key", str(tmp_path / "other.pub"))] == [("error", "publicKey")]
    del app.settings["publicKey"]
    assert [each[:2] for each in app.findings()] == [("warning", "publicKey")]


def test_the_key_of_edge_json_is_the_one_that_counts(app, tmp_path):
    made = create_key_files(tmp_path)
    app.app_file["key"] = made.private.name
    app.settings["publicKey"] = made.public.read_text()
    assert app.findings() == []
    app.settings["publicKey"] = KEY
    assert [each[:2] for each in app.findings()] == [("error", "publicKey")]


@pytest.mark.parametrize(
    ("policy", "blocks"),
    [
        ("default-src 'self'; connect-src 'none'", False),
        ("img-src 'none'", False),
        ("default-src *", False),
        ("default-src 'none'; script-src 'self' 'unsafe-eval'", False),
        ("script-src https://localhost capacitor://localhost", False),
        ("script-src capacitor: https:", False),
        ("script-src 'sha256-abc'", False),
        ("default-src 'none'", True),
        ("script-src https://localhost", True),
        ("script-src https://cdn.example.com; script-src 'self'", True),
        ("script-src 'self'; script-src-elem 'none'", True),
    ],
)
def test_a_policy_that_leaves_out_the_apps_own_scripts_is_found(app, policy, blocks):
    app.page = POLICY.format(policy)
    assert [each[1] for each in app.findings()] == (["CSP"] if blocks else [])


def test_what_cannot_be_read_is_named(app, tmp_path):
    app.write()
    (tmp_path / "capacitor.config.json").unlink()
    (tmp_path / "capacitor.config.ts").write_text(
        "export default { appId: 'com.example.app', plugins: { CapacitorUpdater: { updateUrl: process.env.URL } } }"
    )
    done = CliRunner().invoke(cli, ["app", "doctor", str(tmp_path)], prog_name="edge")
    assert "plugins.CapacitorUpdater.updateUrl is not a literal and was not read" in done.stdout
    assert "error    updateUrl" not in done.stdout


def test_an_empty_folder_has_faults_and_no_trace(tmp_path):
    done = CliRunner().invoke(cli, ["app", "doctor", str(tmp_path)], prog_name="edge")
    assert done.exit_code == 1 and "no capacitor.config.json" in done.stdout and "Traceback" not in done.output


def test_online_says_that_nobody_answers(app):
    app.settings["updateUrl"] = "http://127.0.0.1:9/updates"
    assert ("error", "online") in [each[:2] for each in app.findings("--online")]


def test_a_policy_is_found_behind_very_many_beginnings_of_a_tag(tmp_path):
    """Each tag is read by itself; the square of such a page's length would be minutes."""
    policy = "<meta http-equiv='Content-Security-Policy' content=\"script-src 'self'\">"
    (tmp_path / "index.html").write_text("<meta " * 200_000 + policy)
    assert _policies(tmp_path / "index.html") == ("script-src 'self'",)
