"""A loan splits what arrives at the end of the request that it is for, wherever that is cut."""

import pytest

from edge.node.service.limits.loan import BEHIND_LIMIT_BYTES, Loan


@pytest.mark.parametrize("cut", range(12))
def test_the_borrower_gets_its_bytes_and_the_rest_waits(cut):
    given = []
    loan, stream = Loan(7, given.append), b"requestNEXT."
    own = [loan.take(stream[:cut]), loan.take(stream[cut:])]
    assert b"".join(own) == b"request" and loan.whole
    loan.take_back(loan.behind())
    assert given == [b"NEXT."] and loan.behind() == b""


def test_more_than_may_wait_is_told():
    loan = Loan(1, lambda behind: None)
    loan.take(b"a" + b"b" * BEHIND_LIMIT_BYTES)
    assert not loan.full
    loan.take(b"b")
    assert loan.full and loan.whole


def test_a_request_that_has_not_arrived_is_not_whole():
    loan = Loan(3, lambda behind: None)
    assert (loan.take(b"ab"), loan.whole) == (b"ab", False)
