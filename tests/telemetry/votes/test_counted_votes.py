"""The counts of one test: which votes have room in the whole, and which in their epoch."""

from edge.domain.guarding.networks import TRUSTED_NETWORK
from edge.domain.guarding.tally import CountedVotes
from edge.telemetry.spool.record import NET_OF_IPV6, NET_SITE_BITS
from edge.telemetry.votes.counted_votes import UNHEARD, VotesOfTest


def with_votes(attempts: int, epoch: int) -> VotesOfTest:
    votes = VotesOfTest()
    for number in range(attempts):
        votes.enter(1_000 + number, epoch, in_epoch=True)
    return votes


def fill(votes: VotesOfTest, net: int, epoch: int, sent: int) -> list[tuple[bool, bool]]:
    rooms = []
    for _ in range(sent):
        counted, in_epoch = votes.has_room(net, epoch)
        rooms.append((counted, in_epoch))
        if counted:
            votes.enter(net, epoch, in_epoch=in_epoch)
    return rooms


def test_a_network_has_its_cap():
    assert fill(with_votes(100, 1), 7, 1, 5) == [(True, True)] * 3 + [(False, False)] * 2


def test_a_new_epoch_has_few_places_though_the_whole_has_many():
    votes = with_votes(20_000, 1)
    rooms = fill(votes, 7, 2, 40)
    assert sum(counted for counted, _ in rooms) == 31 and sum(in_epoch for _, in_epoch in rooms) == 3
    assert votes.tally([2]).epochs[0].counted.attempts == 3


def test_a_failure_turns_the_vote_where_it_is_counted():
    votes = with_votes(20_000, 1)
    for number in range(4):
        votes.enter(7, 2, in_epoch=number < 3)
        votes.fail(7, 2, in_epoch=number < 3)
    tally = votes.tally([1, 2])
    assert (tally.whole.failed, [each.counted.failed for each in tally.epochs]) == (4, [0, 3])


def test_a_trusted_network_has_room_without_end():
    assert set(fill(with_votes(10, 1), TRUSTED_NETWORK, 1, 500)) == {(True, True)}


def test_a_provider_has_ten_times_the_votes_of_a_network():
    votes = with_votes(100, 1)
    nets = [NET_OF_IPV6 | 5 << NET_SITE_BITS | site for site in range(40)]
    assert sum(counted for net in nets for counted, _ in fill(votes, net, 1, 1)) == 30


def test_offered_devices_are_attempts_before_they_are_heard_of():
    votes = VotesOfTest()
    for _ in range(30):
        votes.enter(UNHEARD, 1, in_epoch=True)
    votes.place(7, 1, in_epoch=False)
    votes.fail(7, 1, in_epoch=False)
    tally = votes.tally([1])
    assert (tally.whole.attempts, tally.whole.failed) == (30, 1)
    assert tally.epochs[0].counted == CountedVotes(30, 0)
