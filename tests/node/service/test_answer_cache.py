import gzip

from edge.node.service.answer_cache import GZIP_MIN_BYTES, Offers, compress_body


def test_a_body_is_made_once():
    offers = Offers()
    assert offers.get("key") is None
    body = offers.add("key", b"body")
    assert offers.get("key") is body
    assert body.plain == b"body"


def test_large_bodies_are_compressed_beforehand_and_small_ones_are_not():
    assert compress_body(b"x" * (GZIP_MIN_BYTES - 1)).gzipped is None
    assert gzip.decompress(compress_body(b"x" * GZIP_MIN_BYTES).gzipped) == b"x" * GZIP_MIN_BYTES


def test_the_least_recently_used_bodies_go_when_the_bytes_run_out():
    offers = Offers(limit_bytes=250)
    for key in "abc":
        offers.add(key, b"x" * 100)
        assert offers.get("a")
    assert offers.get("b") is None
    assert offers.get("c")
    assert offers.held_bytes <= 250


def test_a_body_above_the_limit_is_still_answered():
    offers = Offers(limit_bytes=10)
    assert offers.add("big", b"x" * 100).plain == b"x" * 100
