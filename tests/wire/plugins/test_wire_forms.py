"""What to send to which release: both sides of every border of PROTOCOL.md §11.2, §11.5 and §11.6."""

import pytest

from edge.domain.errors import Invalid
from edge.domain.file_names import (
    BROTLI_SUFFIX,
    PART_LIMIT_ANDROID_BYTES,
    PART_LIMIT_IOS_BYTES,
    SameNames,
)
from edge.domain.model import Platform
from edge.domain.plugin import ManifestRules, PlainWithKey, Plugin, Sent
from edge.wire.plugins.capabilities import platform_of, stretches
from edge.wire.plugins.forms import (
    MANIFEST_ROWS,
    RELEASE_CACHE_LIMIT,
    Form,
    Generation,
    ZipEnd,
    asker_of,
    form_of,
    plugin_of,
)

ANDROID, IOS, ELECTRON = Platform.ANDROID, Platform.IOS, Platform.ELECTRON


@pytest.mark.parametrize(
    ("version", "android", "ios"),  # checksum form, and how a manifest goes along if it does (PROTOCOL.md §11.2)
    [
        ("4.3.7", "none zip", "none zip"),
        ("4.4.0", "crc32 zip", "crc32 zip"),
        ("5.9.5", "crc32 zip", "crc32 zip"),
        ("5.43.3", "sha256 packed", "sha256 packed"),
        ("5.50.2", "sha256 packed", "sha256 packed"),
        ("6.0.0", "crc32 zip", "crc32 zip"),
        ("6.14.27", "crc32 zip", "crc32 zip"),
        ("6.14.28", "sha256 plain", "sha256 zip"),
        ("6.25.2", "sha256 plain", "sha256 zip"),
        ("6.25.3", "sha256 plain", "sha256 plain"),
        ("6.27.11", "sha256 plain", "sha256 plain"),
        ("6.39.0", "none packed", "sha256 packed"),
        ("6.42.9", "none packed", "sha256 packed"),
        ("6.43.5", "sha256 packed", "sha256 packed"),
        ("6.51.16", "sha256 packed", "sha256 packed"),
        ("7.0.0", "crc32 zip", "crc32 zip"),
        ("7.0.1", "crc32 zip", "crc32 zip"),
        ("7.0.2", "none zip", "sha256 zip"),
        ("7.0.29", "none zip", "sha256 zip"),
        ("7.0.30", "sha256 zip", "sha256 zip"),
        ("7.0.37", "sha256 zip", "sha256 zip"),
        ("7.0.38", "sha256 plain", "sha256 zip"),
        ("7.9.1", "sha256 plain", "sha256 zip"),
        ("7.9.2", "sha256 zip", "sha256 zip"),
        ("7.18.14", "sha256 zip", "sha256 zip"),
        ("7.18.15", "sha256 plain", "sha256 zip"),
        ("7.25.1", "sha256 plain", "sha256 zip"),
        ("7.26.0", "sha256 plain", "sha256 plain"),
        ("7.34.1", "sha256 plain", "sha256 plain"),
        ("7.34.2", "sha256 plain", "sha256 packed"),
        ("7.34.3", "sha256 plain", "sha256 packed"),
        ("7.36.0", "sha256 packed", "sha256 packed"),
        ("7.51.21", "sha256 packed", "sha256 packed"),
        ("8.0.0", "sha256 plain", "sha256 zip"),
        ("8.0.1", "none zip", "sha256 zip"),
        ("8.2.0", "sha256 packed", "sha256 packed"),
        ("8.51.22", "sha256 packed", "sha256 packed"),
        ("8.51.23", "sha256 packed", "sha256 packed"),
        ("9.0.0", "crc32 zip", "crc32 zip"),
        ("10.0.0", "crc32 zip", "crc32 zip"),
        ("12.0.0", "sha256 packed", "sha256 packed"),
    ],
)
def test_checksum_and_manifest_by_release(version, android, ios):
    def sent(platform):
        return f"{form_of(platform, version).checksum} {plugin_of(platform, version).manifest.sent.value}"

    assert (sent(ANDROID), sent(IOS)) == (android, ios)


@pytest.mark.parametrize(("platform", "version"), [(ELECTRON, "8.51.23"), (ELECTRON, "0.0.1"), (ANDROID, "0.0.1")])
def test_electron_gets_no_manifest(platform, version):
    assert plugin_of(platform, version).manifest.sent is Sent.ZIP


WORK, EQUAL, FAIL = SameNames.WORK, SameNames.FAIL_WHEN_EQUAL, SameNames.FAIL


@pytest.mark.parametrize(
    ("version", "android", "ios"),  # PROTOCOL.md §5.7: same last parts, and the longest with the suffix or without
    [
        ("5.43.3", (EQUAL, 186, False), (WORK, 190, False)),
        ("5.45.10", (EQUAL, 186, False), (WORK, 190, False)),
        ("5.50.1", (EQUAL, 186, False), (WORK, 149, False)),
        ("6.25.3", (FAIL, 186, True), (WORK, 190, True)),
        ("6.39.0", (FAIL, 186, True), (WORK, 190, True)),
        ("6.42.3", (FAIL, 186, False), (WORK, 190, False)),
        ("6.42.9", (EQUAL, 186, False), (WORK, 190, False)),
        ("6.45.10", (EQUAL, 186, False), (WORK, 190, False)),
        ("6.50.1", (EQUAL, 186, False), (WORK, 149, False)),
        ("6.50.2", (EQUAL, 186, False), (WORK, 149, False)),
        ("6.51.15", (WORK, 190, False), (WORK, 149, False)),
        ("7.26.0", (FAIL, 186, True), (WORK, 190, True)),
        ("7.34.1", (FAIL, 186, True), (WORK, 190, True)),
        ("7.34.2", (FAIL, 186, False), (WORK, 190, False)),
        ("7.34.3", (FAIL, 186, False), (WORK, 190, False)),
        ("7.36.0", (FAIL, 186, True), (WORK, 190, True)),
        ("7.41.1", (FAIL, 186, True), (WORK, 190, True)),
        ("7.42.3", (FAIL, 186, False), (WORK, 190, False)),
        ("7.42.9", (EQUAL, 186, False), (WORK, 190, False)),
        ("7.45.10", (EQUAL, 186, False), (WORK, 190, False)),
        ("7.50.1", (EQUAL, 186, False), (WORK, 149, False)),
        ("7.51.15", (WORK, 190, False), (WORK, 149, False)),
        ("8.2.0", (FAIL, 186, True), (WORK, 190, True)),
        ("8.42.3", (FAIL, 186, True), (WORK, 190, True)),
        ("8.42.4", (FAIL, 186, False), (WORK, 190, False)),
        ("8.42.6", (FAIL, 186, False), (WORK, 190, False)),
        ("8.42.7", (EQUAL, 186, False), (WORK, 190, False)),
        ("8.49.4", (EQUAL, 186, False), (WORK, 190, False)),
        ("8.49.5", (EQUAL, 186, False), (WORK, 149, False)),
        ("8.51.8", (EQUAL, 186, False), (WORK, 149, False)),
        ("8.51.9", (WORK, 190, False), (WORK, 149, False)),
    ],
)
def test_names_by_release(version, android, ios):
    assert (plugin_of(ANDROID, version).manifest.names, plugin_of(IOS, version).manifest.names) == (android, ios)


def test_names_that_fit_every_release():
    suffix = len(BROTLI_SUFFIX)
    for platform, limit in ((ANDROID, PART_LIMIT_ANDROID_BYTES), (IOS, PART_LIMIT_IOS_BYTES)):
        ends = [end for stretch in stretches(MANIFEST_ROWS, platform) for end in stretch]
        rules = [rules.names for end in ends if (rules := plugin_of(platform, end).manifest).sent is not Sent.ZIP]
        assert limit == min(names.limit_bytes - suffix * names.suffix_counts for names in rules)


@pytest.mark.parametrize(
    ("version", "android", "ios"),
    [
        ("5.9.5", "empty", "refuse"),
        ("5.43.3", "empty", "refuse"),
        ("5.45.10", "empty", "refuse"),
        ("5.50.1", "empty", "whole"),
        ("6.1.2", "empty", "refuse"),
        ("6.1.3", "empty", "empty"),
        ("6.39.0", "empty", "empty"),
        ("6.42.3", "empty", "refuse"),
        ("6.45.10", "empty", "refuse"),
        ("6.50.1", "empty", "whole"),
        ("6.51.16", "empty", "whole"),
        ("7.0.1", "empty", "refuse"),
        ("7.0.2", "empty", "empty"),
        ("7.36.1", "empty", "empty"),
        ("7.41.1", "empty", "refuse"),
        ("7.50.1", "empty", "whole"),
        ("7.51.16", "empty", "whole"),
        ("7.51.19", "empty", "whole"),
        ("7.51.20", "whole", "whole"),
        ("8.40.8", "empty", "empty"),
        ("8.41.0", "empty", "refuse"),
        ("8.45.10", "empty", "refuse"),
        ("8.45.11", "empty", "whole"),
        ("8.51.16", "empty", "whole"),
        ("8.51.20", "whole", "whole"),
        ("9.0.0", "empty", "refuse"),
        ("99.0.0", "whole", "whole"),
    ],
)
def test_the_end_of_a_zip_by_release(version, android, ios):
    ends = [form_of(platform, version).zip_end for platform in (ANDROID, ELECTRON, IOS)]
    assert ends == [ZipEnd(android), ZipEnd.REFUSE, ZipEnd(ios)]


A, M, R = PlainWithKey.ACCEPTED, PlainWithKey.MANIFEST_ONLY, PlainWithKey.REFUSED


@pytest.mark.parametrize(
    ("version", "android", "ios"),
    [
        ("5.9.5", A, A),
        ("5.43.3", A, R),
        ("6.1.17", A, A),
        ("6.1.18", A, R),
        ("6.6.1", A, R),
        ("6.6.2", A, A),
        ("6.6.4", A, A),
        ("6.6.5", A, R),
        ("6.14.28", A, R),
        ("6.27.11", A, R),
        ("6.39.0", M, R),
        ("6.42.9", M, R),
        ("6.43.5", A, R),
        ("7.0.1", A, A),
        ("7.0.2", A, R),
        ("7.0.29", A, R),
        ("7.0.30", A, R),
        ("8.0.1", A, R),
        ("8.51.22", A, R),
        ("8.51.23", R, R),
        ("9.0.0", A, A),
    ],
)
def test_plain_bundles_for_devices_with_a_key(version, android, ios):
    taken = [plugin_of(platform, version).plain_with_key for platform in (ANDROID, ELECTRON, IOS)]
    assert taken == [android, A, ios]


@pytest.mark.parametrize(
    ("version", "supported", "reads_v3", "reverts"),
    [
        ("3.0.0", False, False, False),
        ("4.61.11", False, False, False),
        ("5.0.0", True, False, False),
        ("5.9.5", True, False, False),
        ("5.43.3", True, True, True),
        ("6.1.34", True, False, False),
        ("6.2.0", True, False, True),
        ("6.27.11", True, False, True),
        ("6.39.0", True, True, True),
        ("7.0.1", True, False, False),
        ("7.0.2", True, False, True),
        ("7.29.0", True, False, True),
        ("7.30.0", True, True, True),
        ("8.0.0", True, False, True),
        ("8.2.0", True, True, True),
        ("8.51.23", True, True, True),
        ("9.0.0", True, False, False),
        ("10.0.0", True, False, False),
        ("10.0.1", True, True, True),
    ],
)
def test_what_the_decision_needs_to_know(version, supported, reads_v3, reverts):
    for platform in (ANDROID, IOS):
        plugin = plugin_of(platform, version)
        assert plugin.version == version
        assert (plugin.supported, plugin.reads_v3, plugin.reverts_to_builtin) == (supported, reads_v3, reverts)


# Both sides of every border of `encryption`, `manifest_encryption` and `sends_key_id_characters`.
KEYS = [
    ("4.61.11", False, False, False),
    ("5.9.5", False, False, False),
    ("5.43.3", True, True, True),
    ("6.1.18", False, False, False),
    ("6.27.11", False, False, False),
    ("6.39.0", True, True, True),
    ("6.42.3", True, True, True),
    ("7.0.1", False, False, False),
    ("7.0.2", False, False, False),
    ("7.29.0", False, False, False),
    ("7.30.0", True, True, False),
    ("7.36.1", True, True, False),
    ("7.41.1", True, True, True),
    ("8.0.1", False, False, False),
    ("8.2.0", True, True, True),
    ("8.40.7", True, True, True),
    ("8.40.8", True, True, True),
    ("8.51.23", True, True, True),
    ("9.0.0", False, False, False),
    ("10.0.0", False, False, False),
    ("10.0.1", True, True, True),
]


@pytest.mark.parametrize(("version", "reads", "in_manifests", "sends_key_id"), KEYS)
def test_encrypted_bundles_by_release(version, reads, in_manifests, sends_key_id):
    for platform in (ANDROID, IOS):
        plugin = plugin_of(platform, version)
        in_manifest = plugin.manifest.encrypted
        assert (plugin.reads_v3, in_manifest, plugin.sends_key_id) == (reads, in_manifests, sends_key_id)


@pytest.mark.parametrize(
    ("version", "read"),
    [("5.9.5", False), ("5.43.3", True), ("6.27.11", False), ("6.39.0", True), ("7.34.3", False), ("7.36.0", True),
     ("8.0.1", False), ("8.2.0", True), ("10.0.0", False)],
)  # fmt: skip
def test_link_and_comment_by_release(version, read):
    assert all(form_of(platform, version).metadata is read for platform in (ANDROID, IOS))


@pytest.mark.parametrize("version", ["0.0.1", "0.0.9", "4.0.0", "8.51.23"])
def test_electron_is_the_same_whatever_version_it_says(version):
    # PROTOCOL.md §11.11: a plain zip and its SHA-256. It reads no session key in the plugin's spelling.
    assert form_of(ELECTRON, version) == Form(Generation.ELECTRON, "sha256", False, ZipEnd.REFUSE)
    plugin = plugin_of(ELECTRON, version)
    assert plugin._replace(version="", listed=True) == Plugin(
        "",
        supported=True,
        reads_v3=False,
        plain_with_key=A,
        reverts_to_builtin=False,
        keeps_choice=True,
        manifest=ManifestRules(Sent.ZIP, encrypted=False, zip_too=False),
    )


def test_a_release_backported_under_another_number_gets_the_same_form():
    for platform in (ANDROID, IOS):
        assert form_of(platform, "6.43.5") == form_of(platform, "8.43.5")._replace(
            zip_end=form_of(platform, "6.43.5").zip_end
        )


def test_releases_with_equal_abilities_share_one_form():
    assert (
        form_of(ANDROID, "8.51.22") == form_of(ANDROID, "8.51.23") == Form(Generation.G3, "sha256", True, ZipEnd.WHOLE)
    )


def test_devices_cannot_grow_the_caches():
    for patch in range(RELEASE_CACHE_LIMIT + 10):
        asker_of(ANDROID, f"8.51.{patch}")
    assert plugin_of.cache_info().currsize <= RELEASE_CACHE_LIMIT
    assert asker_of.cache_info().currsize <= RELEASE_CACHE_LIMIT
    assert form_of.cache_info().currsize <= RELEASE_CACHE_LIMIT


def test_no_version_is_no_plugin():
    for lookup in (plugin_of, form_of):
        with pytest.raises(Invalid):
            lookup(IOS, "8.51")


@pytest.mark.parametrize(
    ("platform", "version", "electron"),
    [
        (ELECTRON, "0.0.1", True),
        (ELECTRON, "8.51.23", True),
        (ELECTRON, "no version", True),
        (ANDROID, "0.0.1", True),  # the package's first releases
        (IOS, "0.0.1", True),
        (ANDROID, "0.0.2", False),
        (ANDROID, "8.51.23", False),
        (IOS, "", False),
    ],
)
def test_the_electron_package_is_told_by_its_platform_or_by_its_one_version(platform, version, electron):
    assert (platform_of(platform, version) is ELECTRON) is electron


@pytest.mark.parametrize(
    ("version", "android", "ios"),
    [
        ("5.9.5", False, False),
        ("5.43.3", True, True),
        ("6.27.11", False, False),  # plain files
        ("6.42.3", False, True),  # Android verifies no zip
        ("6.43.5", True, True),
        ("7.41.1", False, False),  # a zip's files are not in its cache
        ("7.42.3", True, True),
        ("8.42.3", False, False),
        ("8.42.4", True, True),
        ("8.51.23", True, True),
        ("9.0.0", False, False),
    ],
)
def test_which_releases_take_the_zip_as_well_as_files(version, android, ios):
    assert plugin_of(ANDROID, version).manifest.zip_too is android
    assert plugin_of(IOS, version).manifest.zip_too is ios
    assert not plugin_of(ELECTRON, version).manifest.zip_too
