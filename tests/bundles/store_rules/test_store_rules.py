"""What app stores do not allow in a live update: found by bytes, with few false alarms."""

import io
import json
import struct
import zipfile

import pytest

from edge.bundles.sources.files import SourceFile
from edge.bundles.store_rules.check import DECLARATIONS_LIMIT, PACKAGES_LIMIT, check_store_rules, declarations_of
from edge.bundles.store_rules.declarations import Declared, read_declared
from edge.bundles.store_rules.native_code import native_kind
from edge.bundles.store_rules.rules import StoreCode

APP = "com.acme.app"
ELF = b"\x7fELF\x02\x01\x01" + bytes(57)
PE = b"MZ" + bytes(58) + struct.pack("<I", 128) + bytes(64) + b"PE\0\0"
MACH_O = bytes.fromhex("cffaedfe") + bytes(60)
FAT = bytes.fromhex("cafebabe00000002") + bytes(40)
CLASS = bytes.fromhex("cafebabe00000034") + bytes(40)
DEX = b"dex\n035\0" + bytes(100)

NATIVE = {
    "elf": ELF,
    "pe": PE,
    "mach-o": MACH_O,
    "fat": FAT,
    "class": CLASS,
    "dex": DEX,
    "ar": b"!<arch>\n" + bytes(60),
}
HARMLESS = {
    "empty": b"",
    "text that begins with MZ": b"MZ is how it begins" + b" and goes on" * 20,
    "a PE pointer that leads nowhere": b"MZ" + bytes(58) + struct.pack("<I", 0xFFFFFFF0) + bytes(64),
    "an ELF of no class": b"\x7fELF\x09\x09" + bytes(60),
    "WebAssembly": b"\0asm\x01\0\0\0",
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(60),
    "the word alone": bytes.fromhex("cafebabe"),
    "the word and 0": bytes.fromhex("cafebabe00000000"),
    "script": b"console.log(1)",
    "dex as a word": b"dex\nABC",
}


def zipped(method=zipfile.ZIP_STORED, /, **members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def zipped_as(members):
    return zipped(**members)


def damaged(content, at):
    return content[:at] + b"\xff" + content[at + 1 :]


PACKAGES = {
    "apk": zipped_as({"AndroidManifest.xml": b"\3\0", "classes.dex": DEX}),
    "aab": zipped_as({"BundleConfig.pb": b"\n", "base/manifest/AndroidManifest.xml": b"\n"}),
    "ipa": zipped_as({"Payload/Acme.app/Info.plist": b"bplist00"}),
    "jar": zipped_as({"META-INF/MANIFEST.MF": b"Manifest-Version: 1.0", "com/acme/Main.class": CLASS}),
    "zip with a library": zipped_as({"lib/arm64-v8a/libacme.so": ELF}),
}
NAMED = {"AndroidManifest.xml": b""}
ZIPS = {
    "a zip of texts": zipped_as({"a.txt": b"a", "META-INF/MANIFEST.MF": b"m"}),
    "a library by its name alone": zipped_as({"lib/libacme.so": b"not one"}),
    "a document": zipped_as({"[Content_Types].xml": b"<Types/>", "word/document.xml": b"<w/>"}),
    "cut": zipped_as({"AndroidManifest.xml": b"x" * 100})[:40],
    "a stream that is none": damaged(zipped(zipfile.ZIP_DEFLATED, **{"a.so": b"x" * 99}), at=30 + len("a.so")),
    "a method that unpacks without a limit": zipped(zipfile.ZIP_BZIP2, **{"lib/libacme.so": ELF}),
    "a directory larger than is read": zipped_as(
        {f"{n:0250}": b"" for n in range(4_000)} | {"AndroidManifest.xml": b""}
    ),
}


@pytest.fixture
def files(tmp_path):
    def write(**contents):
        made = []
        for name, content in contents.items():
            path = tmp_path / "bundle" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
            made.append(SourceFile(name, path, path.stat().st_size))
        return sorted(made)

    return write


def codes(found):
    return [each.code for each in found]


@pytest.mark.parametrize("kind", NATIVE)
def test_native_code_is_found_under_any_name(files, kind):
    (warning,) = check_store_rules(files(**{"assets/picture.png": NATIVE[kind]}), APP)
    assert (warning.code, warning.file) == (StoreCode.NATIVE_CODE, "assets/picture.png")


@pytest.mark.parametrize("what", HARMLESS)
def test_what_is_no_native_code_is_not_taken_for_it(files, what):
    assert native_kind(HARMLESS[what]) == ""
    assert check_store_rules(files(**{"lib/acme.so": HARMLESS[what]}), APP) == []


@pytest.mark.parametrize("kind", PACKAGES)
def test_packages_of_a_system_are_found(files, kind):
    assert codes(check_store_rules(files(**{"assets/data.bin": PACKAGES[kind]}), APP)) == [StoreCode.NATIVE_CODE]


@pytest.mark.parametrize("what", ZIPS)
def test_other_zips_are_not(files, what):
    assert check_store_rules(files(**{"assets/data.zip": ZIPS[what]}), APP) == []


def capacitor(**settings):
    return json.dumps({"appId": APP, "appName": "Acme", "webDir": "dist"} | settings)


def test_the_apps_own_settings_are_no_warning(files):
    assert check_store_rules(files(**{"capacitor.config.json": capacitor()}), APP) == []


def test_the_id_of_another_app_is(files):
    bundle = files(**{"capacitor.config.json": capacitor(appId="com.acme.staging")})
    (warning,) = check_store_rules(bundle, APP, {"capacitor.config.json": Declared("com.acme.app")})
    assert warning.code is StoreCode.APP_ID_DIFFERS
    assert "'com.acme.staging', and was 'com.acme.app' in the bundle before" in warning.message


@pytest.mark.parametrize("url", ["http://localhost:5173", "http://127.0.0.1", "https://[::1]:3000", "localhost", ""])
def test_a_start_page_on_the_machine_itself_is_none(files, url):
    assert check_store_rules(files(**{"capacitor.config.json": capacitor(server={"url": url})}), APP) == []


def test_a_start_page_elsewhere_is_told_when_it_changes(files):
    bundle = files(**{"capacitor.config.json": capacitor(server={"url": "http://192.168.1.7:5173"})})
    assert codes(check_store_rules(bundle, APP)) == [StoreCode.START_PAGE_ELSEWHERE]
    assert check_store_rules(bundle, APP, declarations_of(bundle)) == []


MANIFEST = """<?xml version="1.0"?><manifest xmlns:android="http://schemas.android.com/apk/res/android" package="{app}">
{permissions}</manifest>"""


def manifest(*permissions, app=APP):
    told = "".join(f'<uses-permission android:name="android.permission.{each}"/>' for each in permissions)
    return MANIFEST.format(app=app, permissions=told)


def test_permissions_of_android_that_differ_from_the_bundle_before(files):
    bundle = files(**{"AndroidManifest.xml": manifest("INTERNET", "CAMERA")})
    before = {"AndroidManifest.xml": read_declared("AndroidManifest.xml", manifest("INTERNET", "NFC").encode())}
    (warning,) = check_store_rules(bundle, APP, before)
    assert warning.code is StoreCode.PERMISSIONS_DIFFER
    assert "new: android.permission.CAMERA; gone: android.permission.NFC" in warning.message
    assert check_store_rules(bundle, APP) == []  # nothing to compare with


PLIST = """<?xml version="1.0"?><plist version="1.0"><dict><key>CFBundleIdentifier</key><string>{app}</string>
<key>{usage}</key><string>for pictures</string></dict></plist>"""


def test_permissions_of_ios_are_its_usage_descriptions():
    found = read_declared("Info.plist", PLIST.format(app=APP, usage="NSCameraUsageDescription").encode())
    assert found == Declared(APP, frozenset({"NSCameraUsageDescription"}))
    assert (
        read_declared("Info.plist", PLIST.format(app="$(PRODUCT_BUNDLE_IDENTIFIER)", usage="x").encode()).app_id == ""
    )


def test_an_id_of_cordova_is_the_widgets():
    assert read_declared("config.xml", b'<widget id="com.acme.other" version="1"/>').app_id == "com.acme.other"


TYPE = b'<!DOCTYPE manifest [<!ATTLIST uses-permission name CDATA "x">]><manifest><uses-permission/></manifest>'
BOMB = b'<!DOCTYPE m [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]><manifest package="x">&b;</manifest>'


@pytest.mark.parametrize("name", ["capacitor.config.json", "config.xml", "AndroidManifest.xml", "Info.plist"])
@pytest.mark.parametrize(
    "content", [b"", b"{", b"[" * 100_000, b"\xff\xfe", b"<a", BOMB, TYPE, b"bplist00\xff", b"x" * 2**20]
)
def test_hostile_settings_declare_nothing(name, content):
    assert read_declared(name, content) == Declared()


@pytest.mark.parametrize(
    ("page", "hosts"),
    [
        ('<script src="https://cdn.example.com/a.js"></script>', "cdn.example.com"),
        ("<SCRIPT async src=//b.example.com/x>", "b.example.com"),
        (
            '<script src="https://z.example.com/1"></script><script src="http://a.example.com/2"></script>',
            "a.example.com, z.",
        ),
        ('<script src="assets/main.js"></script>', ""),
        ('<!-- <script src="https://cdn.example.com/a.js"></script> -->', ""),
        ('<link href="https://fonts.example.com/css" rel="stylesheet">', ""),
        ('<script src="http://localhost:8100/a.js"></script>', ""),
        ('<script>load("https://cdn.example.com/a.js")</script>', ""),
        ('<script data-src="https://cdn.example.com/a.js"></script>', ""),
        ('<script type="module" crossorigin\nsrc = "https://cdn.example.com/a.js">', "cdn.example.com"),
        pytest.param("<!--" * 60_000, "", id="comments that never end"),  # minutes, if each is looked for its own end
    ],
)
def test_scripts_from_elsewhere_are_one_warning_a_page(files, page, hosts):
    found = check_store_rules(files(**{"index.html": page}), APP)
    assert codes(found) == ([StoreCode.REMOTE_SCRIPT] if hosts else [])
    assert hosts in "".join(each.message for each in found)


def test_a_warning_has_its_sources(files):
    (warning,) = check_store_rules(files(x=ELF), APP)
    document = warning.document()
    assert document["code"] == "native_code"
    assert all(rule["address"].startswith("https://") and rule["title"] for rule in document["rules"])
    assert "[native_code; Apple, App Review Guidelines 2.5.2 and 2 more]" in warning.line()


def test_of_many_files_the_first_are_told(files):
    assert len(check_store_rules(files(**{f"{n:03}": ELF for n in range(70)}), APP)) == 50


def test_of_many_zips_and_settings_the_first_are_looked_at(files):
    apks = {f"{n:03}.bin": PACKAGES["apk"] for n in range(PACKAGES_LIMIT - 20, PACKAGES_LIMIT + 2)}
    texts = {f"{n:03}.zip": ZIPS["a zip of texts"] for n in range(PACKAGES_LIMIT - 20)}
    assert len(check_store_rules(files(**texts | apks), APP)) == 20
    many = files(**{f"{n:02}/capacitor.config.json": capacitor(appId="com.acme.b") for n in range(20)})
    assert len(check_store_rules(many, APP)) == DECLARATIONS_LIMIT == len(declarations_of(many))
