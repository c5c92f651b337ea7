"""What a publish says about sizes: the largest files, what changed, and what each plugin release downloads."""

import pytest

from edge.cli.app_folder.downloads import DownloadForm, download_form, releases_by_form
from edge.cli.publishing.size_report import Before, File, build_report
from edge.domain.model import Platform

PLAIN = {"index.html": 100, "app.js": 500_000, "copy.js": 500_000, "new.js": 2_000}
FILES = [
    File("index.html", "a", 100),
    File("app.js", "b", 90_000),
    File("copy.js", "b", 90_000),
    File("new.js", "c", 900),
]
OLD = Before("1.0.0", (File("index.html", "a", 100), File("app.js", "old", 80_000), File("gone.js", "d", 1)))


def by_form(report):
    return dict(zip(releases_by_form(False), report.downloads, strict=True))


def test_a_device_on_the_version_before_downloads_what_it_has_not_each_content_once():
    found = by_form(build_report(FILES, PLAIN, 200_000, False, OLD))
    assert (found[DownloadForm.PACKED].files, found[DownloadForm.PACKED].bytes) == (2, 90_900)
    assert (found[DownloadForm.PLAIN].files, found[DownloadForm.PLAIN].bytes) == (2, 502_000)
    assert (found[DownloadForm.ZIP].files, found[DownloadForm.ZIP].bytes) == (1, 200_000)


def test_without_a_version_before_everything_is_downloaded():
    report = build_report(FILES, PLAIN, 200_000, False, None)
    assert by_form(report)[DownloadForm.PACKED].bytes == 91_000
    assert report.since is None and report.document()["changes"] is None


def test_the_report_tells_what_changed_and_the_largest_first():
    report = build_report(FILES, PLAIN, 200_000, False, OLD)
    assert report.changes == (("copy.js", "new.js"), ("app.js",), ("gone.js",))
    assert [name for name, _ in report.largest] == ["app.js", "copy.js", "new.js", "index.html"]
    lines = report.lines()
    assert lines[0] == "largest: app.js 500.0 kB, copy.js 500.0 kB, new.js 2.0 kB, index.html 100 B"
    assert lines[1] == "since 1.0.0: 2 new (copy.js, new.js), 1 changed (app.js), 1 removed (gone.js)"
    assert lines[2] == "to download on top of 1.0.0:" and lines[3] == "  90.9 kB in 2 files"
    assert all(len(line) <= 80 for line in lines[3:])
    assert report.line() == "download on top of 1.0.0: 90.9 kB to 502.0 kB by plugin release; --sizes has details"


def test_the_same_files_are_told_as_that():
    same = Before("1.0.0", tuple(FILES))
    report = build_report(FILES, PLAIN, 200_000, False, same)
    assert "since 1.0.0: the same files" in report.lines()
    assert report.warning == "it has the same files as 1.0.0"


@pytest.mark.parametrize(
    ("platform", "release", "plain", "encrypted"),
    [
        (Platform.ANDROID, "8.51.23", DownloadForm.PACKED, DownloadForm.PACKED),
        (Platform.IOS, "8.51.23", DownloadForm.PACKED, DownloadForm.PACKED),
        (Platform.ANDROID, "7.0.50", DownloadForm.PLAIN, None),
        (Platform.ANDROID, "6.27.11", DownloadForm.PLAIN, None),
        (Platform.ANDROID, "5.4.1", DownloadForm.ZIP, None),
        (Platform.ANDROID, "7.30.0", DownloadForm.PLAIN, DownloadForm.ZIP),
        (Platform.ANDROID, "4.3.0", None, None),
    ],
)
def test_the_form_is_the_one_of_the_capability_table(platform, release, plain, encrypted):
    assert (download_form(platform, release), download_form(platform, release, True)) == (plain, encrypted)


def test_every_release_is_in_one_form():
    told = releases_by_form(False)
    assert list(told) == [DownloadForm.PACKED, DownloadForm.PLAIN, DownloadForm.ZIP]
    assert told[DownloadForm.PACKED].startswith("Android 5.43.3-") and "; iOS " in told[DownloadForm.PACKED]
    assert "8.2.0 and later" in told[DownloadForm.PACKED]
    assert DownloadForm.PLAIN not in releases_by_form(True)
