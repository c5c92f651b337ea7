"""One token says nothing against credentials; a hundred that were drawn at random do."""

from itertools import repeat

import pytest

from edge.domain.pushing.payload import PushAttempt, PushVerdict
from edge.push.trust import ALL, DRAWN_AMONG, DRAWN_AT_ONCE, DRAWN_LEAST, ROW_LEAST, CredentialTrust, RandomDraw

SENT, DEAD = PushAttempt(PushVerdict.SENT, "sent"), PushAttempt(PushVerdict.DEAD, "http_410")
DOUBT = PushAttempt(PushVerdict.OURS, "http_400", whole=True, of_target=True)
ALONE = DOUBT._replace(whole=False)
BUSY = PushAttempt(PushVerdict.LATER, "http_503", 7.0, whole=True, of_target=True)
STOPPED = PushAttempt(PushVerdict.STOP, "http_400", whole=True)


def judged(trust, attempts, *, drawn=False):
    return [trust.judge(each, drawn=drawn) for each in attempts]


def test_what_comes_in_order_holds_for_its_device_alone():
    trust = CredentialTrust()
    assert set(judged(trust, repeat(DOUBT, 10_000))) == {ALONE}
    assert set(judged(trust, repeat(BUSY, 10_000))) == {BUSY._replace(whole=False)}


def test_many_in_a_row_have_the_next_drawn():
    trust = CredentialTrust()
    judged(trust, repeat(DOUBT, ROW_LEAST - 1))
    assert trust.draw is None
    judged(trust, [DOUBT])
    assert trust.draw == RandomDraw(DRAWN_AT_ONCE, ALL)
    judged(trust, [SENT], drawn=True)
    assert trust.draw is None
    judged(trust, repeat(BUSY, ROW_LEAST))
    assert trust.draw == RandomDraw(DRAWN_AT_ONCE, DRAWN_AMONG)  # it took one: only a pause is to decide
    judged(trust, [DEAD], drawn=True)
    assert trust.draw is None


def test_a_hundred_that_were_drawn_stop():
    trust = CredentialTrust()
    judged(trust, repeat(DOUBT, 1_000))
    assert set(judged(trust, repeat(DOUBT, DRAWN_LEAST - 1), drawn=True)) == {ALONE}
    assert judged(trust, [DOUBT], drawn=True) == [STOPPED]


def test_who_took_one_is_never_stopped_by_tokens():
    trust = CredentialTrust()
    judged(trust, [SENT])
    assert set(judged(trust, repeat(DOUBT, 10_000), drawn=True)) == {ALONE}


def test_a_drawn_one_pauses():
    assert judged(CredentialTrust(), [BUSY], drawn=True) == [BUSY]


@pytest.mark.parametrize("came", [SENT, DEAD, STOPPED, PushAttempt(PushVerdict.LATER, "no_connection", whole=True)])
def test_what_is_certain_stays(came):
    assert judged(CredentialTrust(), [came]) == [came]


def test_halted_credentials_are_tried_with_one_and_by_doubt_stay_so():
    trust = CredentialTrust(halted=True)
    assert trust.draw == RandomDraw(1, ALL)
    assert judged(trust, [DOUBT], drawn=True) == [STOPPED]
