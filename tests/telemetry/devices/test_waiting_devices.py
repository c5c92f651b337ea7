"""On how many devices a bundle waits for the next start: by the last word that each has said of it, and by offers."""

import pytest
from telemetry_lines import APP, NOW
from test_known_devices import a_line, an_event, written

from edge.domain.facts import NO_FACTS, DeviceFacts, name_hash
from edge.telemetry.devices.waiting_devices import count_waiting

BUNDLE = "1.1.0"
OFFERED = DeviceFacts(offered=(name_hash(BUNDLE),))


def counted(directory, offered=(), **options):
    def facts_of(app, device):
        return OFFERED if app == APP and device in offered else NO_FACTS

    return count_waiting(directory, APP, BUNDLE, facts_of, **options)


def said(*words):
    """What one device has reported, in its order: an action, and of which bundle."""
    return [a_line(1, NOW + at, action=action, version=version) for at, (action, version) in enumerate(words)]


@pytest.mark.parametrize(
    ("words", "downloaded"),
    [
        ([("download_complete", BUNDLE)], 1),
        ([("download_complete", BUNDLE), ("set_next", BUNDLE)], 1),
        ([("download_complete", f"{BUNDLE}:main.js")], 1),
        ([("download_complete", BUNDLE), ("app_moved_to_background", "1.0.1")], 1),
        ([("download_complete", BUNDLE), ("download_90", BUNDLE)], 1),
        ([("download_fail", BUNDLE), ("download_complete", BUNDLE)], 1),
        ([("download_90", BUNDLE)], 0),
        ([("download_complete", "1.0.9")], 0),
        ([("download_complete", BUNDLE), ("set", BUNDLE)], 0),
        ([("download_complete", BUNDLE), ("app_moved_to_foreground", BUNDLE)], 0),
        ([("download_complete", BUNDLE), ("set", BUNDLE), ("set", "1.0.1")], 0),
        ([("download_complete", BUNDLE), ("checksum_fail", BUNDLE)], 0),
        ([("download_complete", BUNDLE), ("update_fail", BUNDLE)], 0),
        ([("download_complete", BUNDLE), ("delete", BUNDLE)], 0),
    ],
)
def test_the_last_word_about_the_bundle_counts(tmp_path, words, downloaded):
    written(tmp_path, said(*words), at=NOW + len(words))
    assert counted(tmp_path)[:2] == (downloaded, 0)


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ([("app_moved_to_foreground", "1.0.1")], 1),
        ([("download_50", BUNDLE)], 1),
        ([("download_complete", BUNDLE)], 0),  # downloaded, which is counted already
        ([("set", BUNDLE)], 0),
        ([("download_fail", BUNDLE)], 0),
    ],
)
def test_an_offer_counts_where_the_device_has_not_said_what_became_of_it(tmp_path, words, offered):
    written(tmp_path, said(*words), at=NOW + len(words))
    device = an_event(1).device
    assert counted(tmp_path, {device}).offered == offered
    assert counted(tmp_path).offered == 0


def test_every_device_counts_once_and_other_apps_do_not(tmp_path):
    complete = {"action": "download_complete", "version": BUNDLE}
    lines = [a_line(n, NOW, **complete) for n in (1, 2, 2, 3)]
    written(tmp_path, [*lines, a_line(4, NOW, app="com.other.app", **complete)], at=NOW)
    assert counted(tmp_path) == (3, 0, NOW, False)
    assert counted(tmp_path / "nowhere") == (0, 0, None, False)


def test_limits_keep_the_newest_and_are_told(tmp_path):
    complete = {"action": "download_complete", "version": BUNDLE}
    written(tmp_path, *([a_line(n, NOW + n, **complete)] for n in range(1, 6)), at=NOW + 5)
    assert counted(tmp_path, devices_limit=2) == (2, 0, NOW + 4, True)
    assert counted(tmp_path, read_limit_bytes=2 * len(a_line(1, NOW + 1, **complete))) == (2, 0, NOW + 4, True)
