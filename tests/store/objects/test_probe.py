import pytest

from edge.domain.errors import Unavailable
from edge.store.objects.fs import FsStore
from edge.store.objects.port import Stored
from edge.store.objects.probe import probe


class LaxStore(FsStore):
    """Does what it is told, whatever the conditions: as some servers that speak S3 do."""

    create_checks = swap_checks = keeps_bytes = True

    def __str__(self):
        return "the store there"

    def create(self, key, data):
        if self.create_checks:
            return super().create(key, data)
        self._prepared(key).write_bytes(data)
        return "tag"

    def swap(self, key, data, tag):
        if self.swap_checks:
            return super().swap(key, data, tag)
        self._prepared(key).write_bytes(data)
        return "tag"

    def get(self, key):
        return super().get(key) if self.keeps_bytes else Stored(b"", "tag")


@pytest.mark.parametrize(
    ("lack", "named"),
    [("create_checks", "create-if-absent"), ("swap_checks", "compare-and-swap"), ("keeps_bytes", "reading back")],
)
def test_a_store_that_ignores_a_condition_is_refused_by_name(tmp_path, lack, named):
    store = LaxStore(tmp_path / "store")
    setattr(store, lack, False)
    with pytest.raises(Unavailable, match=f"^the store there ignores {named}") as refused:
        probe(store)
    assert refused.value.code == "unsafe_store"


def test_a_store_that_keeps_them_passes_at_every_start(tmp_path):
    for _ in range(2):
        probe(LaxStore(tmp_path / "store"))
