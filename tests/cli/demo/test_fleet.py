"""A fleet is the same for the same seed, has failing devices, and says what became of it."""

from ipaddress import ip_address, ip_network

import pytest

from edge.cli.demo.fleet import BAD_SHARE, CLOCK_FILE, FLEET_LIMIT, PACE, RELEASES, Fleet, build_fleet, headers_of
from edge.cli.demo.release import BAD, GOOD
from edge.device.ledger import Ledger, UpdateOutcome, UpdateResult
from edge.domain.model import parse_device_id


def test_the_same_seed_makes_the_same_devices_with_ids_of_their_own():
    fleet = build_fleet(FLEET_LIMIT, 12)
    assert fleet == build_fleet(FLEET_LIMIT, 12) != build_fleet(FLEET_LIMIT, 13)
    assert len({parse_device_id(each.identity.device_id) for each in fleet}) == FLEET_LIMIT
    assert {(each.platform, each.plugin) for each in fleet} == {(platform, plugin) for platform, plugin, _ in RELEASES}
    assert 0 < sum(each.fails for each in fleet) < FLEET_LIMIT / 10


def test_what_became_of_devices_is_told_in_one_line(tmp_path):
    fleet = Fleet("http://127.0.0.1:1", tmp_path, build_fleet(3, 1), clock=lambda: 0.0)
    for result in (UpdateResult.UPDATED, UpdateResult.UP_TO_DATE, UpdateResult.ROLLED_BACK):
        fleet.note_end(UpdateOutcome(result=result, reason="", version="", folder=None, seconds=0.0, ledger=Ledger()))
    assert fleet.line() == "3 devices: 3 checks, 0 visits, 0 features used, 1 updated, 1 rolled back"


def test_every_device_has_a_network_of_its_own_that_no_real_device_has():
    addresses = [ip_address(headers_of(number)["X-Forwarded-For"]) for number in range(FLEET_LIMIT)]
    assert all(each in ip_network("198.18.0.0/15") for each in addresses)
    assert len({ip_network(f"{each}/24", strict=False) for each in addresses}) == FLEET_LIMIT


def test_the_bad_release_fails_on_the_same_tenth_of_devices_each_time(tmp_path):
    fleets = [Fleet("http://127.0.0.1:1", tmp_path, build_fleet(FLEET_LIMIT, 9), seed=9) for _ in range(2)]
    bad, again = (
        [number for number in range(FLEET_LIMIT) if not each.starts_well(number, BAD.version)] for each in fleets
    )
    good = [number for number in range(FLEET_LIMIT) if not fleets[0].starts_well(number, GOOD.version)]
    assert bad == again and set(good) < set(bad)
    assert BAD_SHARE / 2 < len(bad) / FLEET_LIMIT < BAD_SHARE * 2


async def test_the_devices_clocks_go_on_where_an_earlier_run_ended(tmp_path):
    async def stop(_seconds):
        raise TimeoutError

    now = [1_000.0]
    fleet = Fleet("http://127.0.0.1:1", tmp_path, [], sleep=stop, clock=lambda: now[0])
    now[0] += 10.0
    with pytest.raises(ExceptionGroup):
        await fleet.live(lambda line: None)
    assert float((tmp_path / CLOCK_FILE).read_text()) == 1_000.0 + 10.0 * PACE
    again = Fleet("http://127.0.0.1:1", tmp_path, [], clock=lambda: now[0])
    assert again.device_time() == 1_000.0 + 10.0 * PACE
