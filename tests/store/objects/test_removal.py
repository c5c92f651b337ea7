"""The lock between those who refer and the one who removes."""

import pytest

from edge.domain.errors import Conflict
from edge.store.objects.removal import WAIT_SECONDS, alone, shared


class Pauses:
    def __init__(self):
        self.total = 0.0

    def __call__(self, seconds):
        self.total += seconds


def test_many_refer_at_once(tmp_path):
    with shared(tmp_path / "lock"), shared(tmp_path / "lock"):
        pass


@pytest.mark.parametrize(("first", "second"), [(shared, alone), (alone, shared), (alone, alone)])
def test_one_who_removes_is_alone_and_the_wait_has_an_end(tmp_path, first, second):
    pauses = Pauses()
    another = pytest.raises(Conflict, match="another process holds")
    with first(tmp_path / "lock"), another, second(tmp_path / "lock", pause=pauses):
        raise AssertionError
    assert pauses.total == pytest.approx(WAIT_SECONDS, abs=0.1)


def test_it_is_free_after_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError), alone(tmp_path / "lock"):
        raise ZeroDivisionError
    with alone(tmp_path / "lock", wait_seconds=0):
        pass
