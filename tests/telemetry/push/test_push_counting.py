"""Devices that take messages, folded from segments: whose token it is, when they are used, what a message changed."""

import sqlite3
from contextlib import closing

from report_bodies import SENT
from telemetry_lines import APP, NOW, report_line, write_segment

from edge.domain.statistics.device_key import device_key
from edge.telemetry.folding.database import open_for_folding
from edge.telemetry.folding.fold import fold
from edge.telemetry.push.push_counting import PushCounting, PushNoted
from edge.telemetry.push.push_upkeep import age_push, erase_from_push
from edge.telemetry.push.token_hash import token_hash
from edge.telemetry.push.told_words import check_from
from edge.telemetry.spool.push_records import (
    ASSIGNED,
    DeadPushToken,
    PushAssigned,
    PushLeaving,
    PushOpening,
    PushRegistration,
    encode_push,
)
from edge.telemetry.upkeep.audit import audit

ONE, OTHER = "00009a6b-eefe-490a-9c60-8e965132ae51", "11119a6b-eefe-490a-9c60-8e965132ae51"
HOUR, DAY = 3_600.0, 86_400.0


def registers(device=ONE, token="token-1", provider="fcm", at=NOW, **said):
    return encode_push(PushRegistration(APP, device, provider, token, **said), at)


def leaves(device=ONE, provider="", token="", at=NOW):
    return encode_push(PushLeaving(APP, device, provider, token), at)


def dies(device=ONE, token="token-1", provider="fcm", at=NOW):
    dead = DeadPushToken(APP, device_key(APP, device), provider, token_hash(token), int(at * 1000))
    return encode_push(dead, at)


def assigns(*devices, message="m-1", arm="A", due=NOW):
    packed = b"".join(ASSIGNED.pack(device_key(APP, each), int(due // 60)) for each in devices)
    return encode_push(PushAssigned(APP, message, arm, packed), due - 60)


def a_report(**changes):
    return {name: value for name, value in (SENT | changes).items() if name != "timestamp"}


class World:
    def __init__(self, folder):
        self._folder, self._spool, self._segments = folder, folder / "spool", 0
        self._spool.mkdir()
        self.database = folder / "counts.sqlite"

    def fold(self, *records, now=NOW):
        self._segments += 1
        write_segment(self._spool, records, worker=self._segments)
        return fold(self._spool, self.database, now=now + 1)

    def ask(self, query, *values):
        with closing(sqlite3.connect(self.database)) as connection:
            return connection.execute(query, values).fetchall()

    def tokens(self):
        query = (
            "SELECT d.device, t.token FROM push_tokens AS t JOIN push_devices AS d USING (app, key) WHERE token <> ''"
        )
        return sorted(self.ask(query))

    def audited(self):
        return audit(self._spool, self.database)


def test_a_registration_is_a_row_and_the_audit_adds_up(tmp_path):
    world = World(tmp_path)
    world.fold(registers(zone="Asia/Tokyo", locale="ja", platform="ios", custom_id="user-7"))
    assert world.ask("SELECT device, zone, locale, platform, custom_id FROM push_devices") == [
        (ONE, "Asia/Tokyo", "ja", "ios", "user-7")
    ]
    assert world.tokens() == [(ONE, "token-1")]
    found = world.audited()
    assert found.exact
    assert [(each.acknowledged, each.in_figures) for each in found.kinds if each.kind == "push"] == [(1, 1)]


def test_a_device_has_one_token_of_a_provider(tmp_path):
    world = World(tmp_path)
    world.fold(registers(), registers(token="token-2", at=NOW + 1), registers(token="a1", provider="apns", at=NOW + 2))
    assert world.tokens() == [(ONE, "a1"), (ONE, "token-2")]
    assert world.ask("SELECT devices FROM push_counts") == [(1,)]


def test_a_token_that_moves_leaves_the_first_device(tmp_path):
    world = World(tmp_path)
    world.fold(registers(), registers(OTHER, at=NOW + 5))
    assert world.tokens() == [(OTHER, "token-1")]
    world.fold(registers(at=NOW + 1))  # what came earlier, and later here, takes nothing back
    assert world.tokens() == [(OTHER, "token-1")]
    assert world.ask("SELECT devices FROM push_counts") == [(1,)]


def test_who_left_stays_away_until_it_registers_again(tmp_path):
    world = World(tmp_path)
    world.fold(registers(), leaves(at=NOW + 10))
    assert world.tokens() == []
    world.fold(registers(at=NOW + 5))
    assert world.tokens() == []
    world.fold(registers(at=NOW + 11))
    assert world.tokens() == [(ONE, "token-1")]


def test_leaving_with_another_token_leaves_this_one(tmp_path):
    world = World(tmp_path)
    world.fold(registers(), leaves(provider="fcm", token="token-9", at=NOW + 1))
    assert world.tokens() == [(ONE, "token-1")]
    world.fold(leaves(provider="fcm", token="token-1", at=NOW + 2))
    assert world.tokens() == []


def test_a_dead_token_goes_unless_it_was_registered_since(tmp_path):
    world = World(tmp_path)
    world.fold(registers(), dies(token="token-9", at=NOW + 1), registers(at=NOW + 5), dies(at=NOW + 4))
    assert world.tokens() == [(ONE, "token-1")]
    world.fold(dies(at=NOW + 6))
    assert world.tokens() == []


def test_beyond_the_limit_only_known_devices_register(tmp_path):
    with closing(open_for_folding(tmp_path / "counts.sqlite")) as connection:
        counting = PushCounting(connection, limit=1)
        noted = [
            PushNoted(int(NOW * 1000) + at, 1, APP, PushRegistration(APP, device, "fcm", token))
            for at, (device, token) in enumerate([(ONE, "t1"), (OTHER, "t2"), (ONE, "t3")])
        ]
        counting.take(noted)
        assert connection.execute("SELECT token FROM push_tokens").fetchall() == [("t3",)]
        assert connection.execute("SELECT n FROM totals WHERE name = 'push_beyond_limit'").fetchall() == [(1,)]


def test_hours_are_those_of_the_devices_own_day(tmp_path):
    world = World(tmp_path)
    reports = [report_line(a_report(device_id=ONE), NOW + day * DAY) for day in range(5)]  # 08:53 UTC, 17:53 in Tokyo
    world.fold(registers(zone="Asia/Tokyo", at=NOW - 60), *reports, now=NOW + 5 * DAY)
    ((hours, told),) = world.ask("SELECT hours, told FROM push_devices")
    assert [at for at, n in enumerate(hours) if n] == [17]
    ((words,),) = world.ask("SELECT told FROM push_told WHERE id = ?", told)
    check = check_from(words, APP, ONE, "user-7")
    sent = a_report(device_id=ONE)
    assert (check.device, check.platform.value, check.custom_id) == (ONE, sent["platform"], "user-7")
    assert check.version_build == sent["version_build"]


def test_hours_of_a_zone_that_only_a_later_release_knows_are_in_utc(tmp_path):
    world = World(tmp_path)
    world.fold(registers(zone="Mars/Olympus", at=NOW - 60), report_line(a_report(device_id=ONE), NOW))
    assert [at for at, n in enumerate(world.ask("SELECT hours FROM push_devices")[0][0]) if n] == [8]


def test_a_device_that_is_not_registered_teaches_nothing(tmp_path):
    world = World(tmp_path)
    world.fold(report_line(a_report(device_id=ONE)))
    assert world.ask("SELECT count(*) FROM push_devices") == [(0,)]
    assert world.ask("SELECT count(*) FROM push_told") == [(0,)]


def opens(device=ONE, message="m-1", at=NOW):
    return encode_push(PushOpening(APP, device, message), at)


def starts(device, at):
    """A session begins: the app came to the foreground."""
    return report_line(a_report(device_id=device, action="app_moved_to_foreground"), at)


def test_what_devices_do_within_a_day_of_a_message_counts(tmp_path):
    world = World(tmp_path)
    world.fold(
        assigns(ONE),
        assigns(OTHER, arm="-"),
        starts(ONE, NOW - 7 * HOUR),
        starts(ONE, NOW + HOUR),
        starts(ONE, NOW + 9 * HOUR),
        starts(OTHER, NOW + 26 * HOUR),
        opens(at=NOW + HOUR),
        opens(at=NOW + 2 * HOUR),
        opens(OTHER, message="m-9", at=NOW + HOUR),
        now=NOW + 2 * DAY,
    )
    query = (
        "SELECT arms.arm, sessions, opened FROM push_assigned JOIN"
        " (SELECT id, arm FROM push_arms) AS arms ON arms.id = push_assigned.arm ORDER BY 1"
    )
    assert world.ask(query) == [("-", 0, 0), ("A", 2, int((NOW + HOUR) // 60))]


def test_rows_become_sums_and_then_go(tmp_path):
    world = World(tmp_path)
    world.fold(assigns(ONE, OTHER), starts(ONE, NOW + HOUR), starts(ONE, NOW + 9 * HOUR), now=NOW + DAY)
    with closing(sqlite3.connect(world.database)) as connection:
        age_push(connection, int((NOW + 4 * DAY) * 1000))
        sums = "SELECT devices, opened, updated, active, sessions, squares, closed FROM push_arms"
        assert connection.execute(sums).fetchall() == [(2, 0, 0, 1, 2, 4, 1)]
        assert connection.execute("SELECT count(*) FROM push_assigned").fetchone() == (0,)
        age_push(connection, int((NOW + 100 * DAY) * 1000))
        assert connection.execute("SELECT count(*) FROM push_arms").fetchone() == (0,)


def test_an_erased_device_is_gone_from_all_of_it(tmp_path):
    world = World(tmp_path)
    world.fold(registers(), assigns(ONE, OTHER))
    with closing(sqlite3.connect(world.database)) as connection:
        (app,) = connection.execute("SELECT app FROM push_devices").fetchone()
        assert erase_from_push(connection, app, device_key(APP, ONE), int((NOW + 1) * 1000)) == 3
        assert connection.execute("SELECT count(*) FROM push_tokens").fetchone() == (0,)
        assert connection.execute("SELECT devices FROM push_counts").fetchone() == (0,)
        assert erase_from_push(connection, app, device_key(APP, ONE), int((NOW + 1) * 1000)) == 0
