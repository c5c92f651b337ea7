import sys

from edge.node.service.limits.event_limits import BURST_SECONDS, PREFIXES_LIMIT, Buckets, EventLimits, cost_of

HOUR = 3_600.0


def test_a_storm_of_real_devices_passes_with_the_default_rates():
    limits = EventLimits(10_000, 2_000)
    # 50,000 devices in two minutes, ten events each, all of them behind one address of one worker
    assert all(limits.admit("com.acme", "192.0.2.1", 10, 5_000, n * 120 / 50_000) for n in range(50_000))


def test_what_is_above_is_refused_whole_and_comes_back_with_time():
    buckets = Buckets(1.0, 10)
    assert buckets.take("a", BURST_SECONDS, 0.0)
    assert not buckets.take("a", 1, 0.5)
    assert buckets.take("a", 1, 1.0)
    assert not buckets.take("a", 3, 3.0)
    assert buckets.take("a", 2, 3.0)
    assert buckets.take("a", BURST_SECONDS, 24 * HOUR)
    assert not buckets.take("a", 1, 24 * HOUR)


def test_one_prefix_over_its_limit_takes_nothing_from_the_app():
    limits = EventLimits(app_rate=1.0, prefix_rate=0.5)
    for _ in range(1_000):
        limits.admit("com.acme", "192.0.2.66", 1, 500, 0.0)
    granted = sum(limits.admit("com.acme", f"192.0.2.{n % 50}", 1, 500, 0.0) for n in range(1_000))
    assert granted == BURST_SECONDS * (1.0 - 0.5)


def test_many_prefixes_are_stopped_by_the_app():
    limits = EventLimits(app_rate=1.0, prefix_rate=0.5)
    granted = sum(limits.admit("com.acme", f"2001:db8:{n:x}::/64", 1, 500, 0.0) for n in range(2_000))
    assert granted == BURST_SECONDS


def test_a_big_event_counts_as_many():
    limits = EventLimits(app_rate=1.0, prefix_rate=1.0)
    assert not limits.admit("com.acme", "192.0.2.1", 1, BURST_SECONDS << 10, 0.0)
    assert limits.admit("com.acme", "192.0.2.1", 1, (BURST_SECONDS - 1) << 10, 0.0)


def test_events_cost_one_token_each_or_one_for_each_kib_of_them():
    assert [cost_of(*each) for each in ((1, 1), (1, 1_023), (1, 1_024), (20, 8_000), (20, 19_999), (20, 20_480))] == [
        *(1, 1, 2, 20, 20, 21)
    ]


def test_a_rate_of_zero_is_no_limit():
    limits = EventLimits(0, 0)
    assert all(limits.admit("com.acme", "192.0.2.1", 1_000, 500_000, 0.0) for _ in range(1_000))


def test_inventing_prefixes_does_not_grow_memory():
    buckets = Buckets(1.0, PREFIXES_LIMIT)
    for n in range(3 * PREFIXES_LIMIT):
        buckets.take(f"2001:db8:{n >> 16:x}:{n & 0xFFFF:x}::/64", 1, n / 1_000)
    assert len(buckets) == PREFIXES_LIMIT
    each = [sys.getsizeof(key) + sys.getsizeof(value) + 200 for key, value in buckets._buckets.items()]
    assert sum(each) < 8 * 2**20


def test_the_least_recently_used_bucket_goes_first():
    buckets = Buckets(1.0, 2)
    buckets.take("a", BURST_SECONDS, 0.0)
    buckets.take("b", BURST_SECONDS, 0.0)
    buckets.take("a", 1, 0.0)
    buckets.take("c", 1, 0.0)  # forgets b
    assert not buckets.take("a", 1, 0.0)
    assert buckets.take("b", 1, 0.0)
