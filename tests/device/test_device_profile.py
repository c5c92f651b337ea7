"""The profile of a release: every listed one builds, and says of itself what it says on the wire."""

import pytest

from edge.device.behaviours import PathRules, RateLimit, ZipResume
from edge.device.profile import ManifestProfile, build_profile
from edge.domain.model import Platform

BOTH = (Platform.ANDROID, Platform.IOS)
RELEASES = ["4.0.0", "4.61.11", "5.0.0", "5.50.2", "6.0.0", "6.51.16", "7.0.0", "7.51.21", "8.0.0", "8.51.23"]
RELEASES += ["8.0.1", "9.0.0", "10.0.0", "6.10.0", "7.0.25", "6.20.0", "8.99.0"]


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("platform", BOTH)
def test_builds_for_every_release(platform, release):
    assert build_profile(platform, release).release == release


@pytest.mark.parametrize(
    ("release", "reported"),
    [("6.43.5", "8.43.5"), ("6.14.34", "6.14.31"), ("7.50.2", "7.50.1"), ("8.51.14", "8.51.14")],
)
def test_reported_version(release, reported):
    assert build_profile(Platform.ANDROID, release).plugin_version == reported


def test_rows_of_one_platform_do_not_reach_the_other():
    android, ios = (build_profile(platform, "8.51.20") for platform in BOTH)
    assert (android.zip_retries, ios.zip_retries) == (True, False)
    assert (android.total_transfer_limit, ios.total_transfer_limit) == (False, True)
    assert (android.zip_resume, ios.zip_resume) == (ZipResume.SAME_JOB_RESTART, ZipResume.RESTART_ON_200)


@pytest.mark.parametrize(("release", "rule"), [("8.51.4", RateLimit.LATCH), ("8.51.5", RateLimit.RETRY_AFTER)])
def test_rate_limit_border(release, rule):
    assert build_profile(Platform.IOS, release).rate_limit is rule


@pytest.mark.parametrize(
    ("release", "rules"),
    [
        ("8.47.2", PathRules.NONE_REPORTED),
        ("8.47.3", PathRules.ESCAPING),
        ("8.51.10", PathRules.ESCAPING_AND_DUPLICATES),
    ],
)
def test_path_rules_border(release, rules):
    manifest = build_profile(Platform.ANDROID, release).manifest
    assert isinstance(manifest, ManifestProfile)
    assert manifest.path_rules is rules


def test_electron_says_one_version_in_every_release():
    profile = build_profile(Platform.ELECTRON, "0.0.6")
    assert (profile.release, profile.plugin_version, profile.manifest) == ("0.0.6", "0.0.1", None)
