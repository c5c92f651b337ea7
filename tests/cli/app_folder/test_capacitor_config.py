"""capacitor.config.{json,ts,js}: what is written out is read, what is not is named, and nothing is run."""

import json
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.cli.app_folder.capacitor import read_capacitor
from edge.cli.app_folder.literals import read_object
from edge.domain.errors import EdgeError

TS = """
import type { CapacitorConfig } from '@capacitor/cli';
import { KeyboardResize } from '@capacitor/keyboard';

const BASE = "https://updates.example.com";
const isDev: boolean = process.env.NODE_ENV === 'development';
const TIMEOUT = 10_000 as const;

/* a comment with { braces } */
const config: CapacitorConfig = {
  appId: 'com.example.app', // the id
  "appName": `Example`,
  webDir: "dist" as string,
  server: isDev ? { url: 'http://10.0.2.2:5173', cleartext: true } : undefined,
  ...common,
  plugins: {
    SplashScreen: { launchShowDuration: 0, colors: ['#fff', '#000'], },
    Keyboard: { resize: KeyboardResize.Body },
    CapacitorUpdater: {
      autoUpdate: true,
      appReadyTimeout: TIMEOUT,
      updateUrl: `${BASE}/updates`,
      statsUrl: "https://updates.example.com/stats",
      channelUrl: BASE + '/channel_self',
      publicKey: '-----BEGIN RSA PUBLIC KEY-----\\nMIIB\\n-----END RSA PUBLIC KEY-----\\n',
      version: process.env.VERSION ?? '1.0.0',
      defaultChannel: BASE,
      onReady() { return { a: 1 }; },
    },
  },
};

export default config;
"""


@pytest.fixture
def config(tmp_path):
    def read(text, name="capacitor.config.ts"):
        (tmp_path / name).write_text(text)
        return read_capacitor(tmp_path)

    return read


def test_literals_of_a_typescript_file_are_read_and_the_rest_is_named(config):
    found = config(TS)
    assert (found.text("appId"), found.text("appName"), found.text("webDir")) == ("com.example.app", "Example", "dist")
    assert found.plugin == {
        "autoUpdate": True,
        "appReadyTimeout": 10_000,
        "statsUrl": "https://updates.example.com/stats",
        "publicKey": "-----BEGIN RSA PUBLIC KEY-----\nMIIB\n-----END RSA PUBLIC KEY-----\n",
        "defaultChannel": "https://updates.example.com",
    }
    assert found.settings["plugins"]["SplashScreen"] == {"launchShowDuration": 0, "colors": ["#fff", "#000"]}
    updater = "plugins.CapacitorUpdater."
    assert set(found.unread) == {
        *("server", "*", "plugins.Keyboard.resize"),
        *(updater + name for name in ("updateUrl", "channelUrl", "version", "onReady")),
    }
    assert found.is_unread("plugins", "CapacitorUpdater", "updateUrl") and found.is_unread("server", "url")


@pytest.mark.parametrize(
    "text",
    [
        "export default { appId: 'a.b', webDir: 'www' } satisfies CapacitorConfig",
        "export default defineConfig({ appId: 'a.b', webDir: 'www' });",
        "/// <reference types='x' />\nconst c: CapacitorConfig = {appId: 'a.b', webDir: 'www'}\nexport default c",
        "const c = {appId: 'a.b', webDir: 'www'};\nmodule.exports = c;\n",
        "module.exports = {'appId': 'a.b', 'webDir': 'www'}",
        "const appId = 'a.b', x = 1\nconst appId2 = 'no'\nexport default { appId: 'a.b', webDir: 'www' }",
        "const appId = 'a.b';\nconst webDir = 'www';\nexport default { appId, webDir };",
        "let c: CapacitorConfig = { appId: 'a.b', webDir: 'www' };\nif (x) { c.d = {url: 'b'} }\nexport default c;",
    ],
)
def test_forms_that_people_write(config, text):
    found = config(text)
    assert (found.text("appId"), found.text("webDir")) == ("a.b", "www")


@pytest.mark.parametrize(
    "text",
    ["", "export default makeConfig()", "export default {", "const c: CapacitorConfig = {}", "export default { a: 'x",
     "export default { appId: 'a' 'b' }}}", "{" * 500],
)  # fmt: skip
def test_what_is_not_written_out_is_refused_with_the_way_out(config, text):
    with pytest.raises(EdgeError) as caught:
        config(text)
    assert caught.value.code == "invalid_capacitor_config" and "--app" in caught.value.message


def test_json_is_read_as_json(config):
    assert config('{"appId": "a.b"}', "capacitor.config.json").text("appId") == "a.b"
    with pytest.raises(EdgeError) as caught:
        config("[1]", "capacitor.config.json")
    assert caught.value.code == "invalid_capacitor_config"


def test_a_folder_without_one_has_none(tmp_path):
    assert read_capacitor(tmp_path) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**50), 2**50) | st.text(), lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(), inner, max_size=3), max_leaves=10,
)  # fmt: skip


@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_json_is_a_subset(value):
    read = read_object(json.dumps(value), 0)
    assert read.value == value and read.unread == ()


@given(st.text(alphabet="{}[]()'\"`,:.$\\ab1 \n/*", max_size=60))
def test_no_text_breaks_the_reader(text):
    read_object(f"{{{text}", 0)


OBJECTS = [
    r"{a: 'it\'s', b: \"no\"}".replace('\\"', '"'),
    r"""{a: "\u00e9\x41\u{1F389}\n\t\\", 'b-c': [1, -2.5, 0x1f, 1e3, .5,], d: {e: null, f: undefined}, 3: true}""",
    "{a: `two\nlines`, b: 'x\\\ny', /* c: 1, */ d: 1 // e: 2\n}",
    "{a: (1), b: [1, f(2)], c: x => ({y: 1}), d: `${1}`, e: 'x'.length, f: 1 + 1, g: -1, h: !0, i: /}/, j: 1}",
    "{get a() { return 1 }, async b() {}, ['c' + 1]: 2, ...{d: 1}, e: 'e'}",
]


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
@pytest.mark.parametrize("text", OBJECTS)
def test_what_is_read_is_what_node_makes_of_it(text):
    program = f"const f = x => x; process.stdout.write(JSON.stringify({text}, (k, v) => v === undefined ? null : v))"
    theirs = json.loads(subprocess.run(["node", "-e", program], capture_output=True, check=True, text=True).stdout)
    read = read_object(text, 0)
    for name, value in (read.value if read else {}).items():
        assert theirs[name] == value, name
    if read:
        assert len(read.value) + len(read.unread) >= len(theirs) - 1


def test_a_script_that_nobody_wrote_by_hand_is_refused_by_its_size(tmp_path):
    (tmp_path / "capacitor.config.ts").write_text("export default {a:" * 8_000)
    with pytest.raises(EdgeError, match="bytes") as refused:
        read_capacitor(tmp_path)
    assert refused.value.code == "invalid_capacitor_config"
