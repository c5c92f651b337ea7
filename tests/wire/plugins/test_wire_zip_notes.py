"""What a publish says: which releases get the zip, and why. The ranges are those of the capability table."""

import pytest
from factories import a_bundle

from edge.domain.file_names import name_facts
from edge.domain.model import Encryption, FileEntry, Platform
from edge.wire.plugins.capabilities import parse_plugin_version
from edge.wire.plugins.zip_notes import SHOWN_NAME_LIMIT, zip_notes

INDEX = "index.html"
FAIL = "6.14.28-6.42.3, 7.0.38-7.9.1, 7.18.15-7.42.3, 8.0.0, 8.2.0-8.42.6"
FAIL_WHEN_EQUAL = "5.43.3-5.50.2, 6.42.9-6.50.2, 7.42.9-7.50.2, 8.42.7-8.51.8"


def notes_of(files: dict[str, str], **changes) -> list[str]:
    """What is said of a bundle with these files: name as listed, and what stands for the content."""
    entries = [FileEntry(name, content * 64, content * 64, 1) for name, content in sorted(files.items())]
    names = name_facts((entry.name, entry.hash) for entry in entries)
    return [note.message for note in zip_notes(a_bundle(**{"names": names} | changes), entries)]


def test_ordinary_names_are_worth_no_word():
    assert notes_of({INDEX: "a", "assets/app.js.br": "b", "assets/app.css": "c"}) == []


def test_files_of_one_name():
    assert notes_of({INDEX: "a", "a/index.js.br": "b", "b/index.js": "c", "c/index.js": "d"}) == [
        f"zip instead of single files for Android {FAIL}: two files are called index.js (a/index.js, b/index.js)"
    ]


def test_equal_files_of_one_name():
    assert notes_of({INDEX: "a", "a/x.js": "b", "b/x.js": "c", "c/x.js": "b"}) == [
        f"zip instead of single files for Android {FAIL}: two files are called x.js (a/x.js, b/x.js)",
        f"zip instead of single files for Android {FAIL_WHEN_EQUAL}: two equal files are called x.js (a/x.js, c/x.js)",
    ]


def test_a_name_that_is_too_long_for_newer_ios():
    name = "n" * 150
    assert notes_of({INDEX: "a", f"assets/{name}": "b"}) == [
        "zip instead of single files for iOS 5.50.1-5.50.2, 6.50.1-6.51.16, 7.50.1-7.51.21, 8.49.5 and later: "
        f"the name of assets/{'n' * 23}…{'n' * 30} has 150 bytes; every release takes up to 149"
    ]
    assert len("assets/" + name) > SHOWN_NAME_LIMIT


def test_a_name_that_is_too_long_for_everybody():
    every = notes_of({INDEX: "a", "ä" * 96: "b"})
    assert [note.split()[6:8] for note in every] == [
        ["Android", "5.43.3-5.50.2,"],
        ["iOS", "5.43.3-5.50.2,"],
    ]
    for note, limit in zip(every, (183, 149), strict=True):
        assert note.endswith(f"the name of {'ä' * 30}…{'ä' * 30} has 192 bytes; every release takes up to {limit}")


PLAIN_ANDROID, PLAIN_IOS = (
    "Android 6.14.28-6.27.11, 7.0.38-7.9.1, 7.18.15-7.34.3, 8.0.0",
    "iOS 6.25.3-6.27.11, 7.26.0-7.34.1",
)


def test_a_file_with_the_suffix_itself():
    reason = "they take no packed files, and would unpack data.br, whose own name ends in .br"
    files = {INDEX: "a", "app.js.br": "b", "data.br.br": "c"}
    assert notes_of(files, plain_files=False) == [
        f"zip instead of single files for {releases}: {reason}" for releases in (PLAIN_ANDROID, PLAIN_IOS)
    ]


def test_a_bundle_of_the_previous_version():
    told = notes_of({INDEX: "a", "a/index.js": "b", "b/index.js": "c"}, names=None, plain_files=False)
    assert [note.rpartition(": ")[2] for note in told] == [
        "two files are called index.js (a/index.js, b/index.js)",
        "they take no packed files, and the store has no plain ones; publish the same files again",
    ]


def test_an_encrypted_bundle_speaks_only_of_releases_that_read_it():
    encryption = Encryption(session_key="iv:key", checksum="sum", key_id="k" * 20)
    reason = "they take no packed files, and an encrypted bundle has no others"
    assert notes_of({INDEX: "a"}, encryption=encryption, plain_files=False) == [
        f"zip instead of single files for {releases}: {reason}"
        for releases in ("Android 7.30.0-7.34.3", "iOS 7.30.0-7.34.1")
    ]


def test_nothing_is_said_of_what_nobody_has_seen_inside():
    assert notes_of({INDEX: "a"}, manifest=None, names=None) == []


@pytest.mark.parametrize("platform", [Platform.ANDROID, Platform.IOS])
def test_ranges_are_in_order_and_do_not_overlap(platform):
    entries = [FileEntry(name, "b" * 64, "b" * 64, 1) for name in (INDEX, "a/x.js", "b/x.js", "n" * 192)]
    bundle = a_bundle(names=name_facts((entry.name, entry.hash) for entry in entries))
    found = [each for note in zip_notes(bundle, entries) if note.platform is platform for each in note.releases]
    ends = sorted(parse_plugin_version(end) for each in found for end in {*each.removesuffix(" and later").split("-")})
    assert len(ends) == len(set(ends))
