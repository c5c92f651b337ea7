import pytest

from edge.domain.buckets import BUCKETS, bucket_of, segment_salt

BETA = segment_salt("com.example.app", "beta")
DEVICES = [f"{n:08x}-0000-4000-8000-{n * 7919:012x}" for n in range(10_000)]


@pytest.mark.parametrize(
    ("salt", "device", "hashed", "bucket"),
    [
        # XXH3_64bits of the reference implementation, seed 0, over salt and device; the first is its published value.
        (b"", "", 0x2D06800538D394C2, 3_138),
        (b"", "00009a6b-eefe-490a-9c60-8e965132ae51", 0xE8BBB8138327BD06, 82_822),
        (b"salt", "00009a6b-eefe-490a-9c60-8e965132ae51", 0xA68F47BA0675EE41, 42_337),
        (b"salt", "ffffffff-ffff-ffff-ffff-ffffffffffff", 0xADB6AE6640D1E3D3, 66_707),
        (BETA, "00009a6b-eefe-490a-9c60-8e965132ae51", 0xF8E1CCBF9C19BF50, 78_640),
        (BETA, "11111111-1111-4111-8111-111111111111", 0x0593A040ADE4C7BB, 8_923),
        (segment_salt("com.example.app", "beta2"), "00009a6b-eefe-490a-9c60-8e965132ae51", 0xDE4992D09446D85B, 3_419),
    ],
)
def test_a_device_is_in_the_bucket_it_always_was(salt, device, hashed, bucket):
    assert hashed % BUCKETS == bucket
    assert bucket_of(salt, device) == bucket


def test_a_salt_is_made_of_the_app_and_the_segment():
    assert BETA == b"segment\0com.example.app\0beta\0"


def test_a_tenth_of_the_devices_is_in_a_tenth_of_the_buckets():
    assert 900 < sum(bucket_of(BETA, device) < BUCKETS // 10 for device in DEVICES) < 1_100


def test_devices_first_in_one_draw_are_spread_over_the_next():
    first = [device for device in DEVICES if bucket_of(BETA, device) < BUCKETS // 10]
    other = segment_salt("com.example.app", "gamma")
    assert 60 < sum(bucket_of(other, device) < BUCKETS // 10 for device in first) < 140
