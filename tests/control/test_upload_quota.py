"""What a token may upload without publishing it, across restarts, and what is released."""

import os
from pathlib import Path

import pytest

from edge.control.upload_quota import COUNTED_SECONDS, LEAST_BYTES, LINES_LEAST, OverQuota, UploadQuota

NOW = 1_700_000_000.0
LIMIT = 10 * LEAST_BYTES


@pytest.fixture
def quota(tmp_path):
    return UploadQuota(tmp_path / "uploads", LIMIT, NOW)


def reopened(tmp_path, now=NOW):
    return UploadQuota(tmp_path / "uploads", LIMIT, now)


def digest(n):
    return f"{n:064x}"


def fill(quota, token="ci", n=10):
    for each in range(n):
        quota.add(token, digest(each), 1, NOW)


def refuses(quota, token="ci", more=1, now=NOW):
    try:
        with quota.reserve(token, more, now):
            return False
    except OverQuota as error:
        assert (error.status, error.code) == (429, "unpublished_uploads")
        return True


def test_a_token_is_refused_at_its_limit_and_another_is_not(quota):
    assert not refuses(quota, more=LIMIT)
    fill(quota)
    assert refuses(quota) and not refuses(quota, "other")
    assert (quota.refused, quota.unpublished_bytes) == (1, LIMIT)


def test_uploads_that_arrive_at_once_count_together(quota):
    with quota.reserve("ci", LIMIT, NOW):
        assert refuses(quota)
    assert not refuses(quota)


def test_blocks_that_reserve_nothing_end_in_any_order(quota):
    with quota.reserve("ci", 0, NOW):
        with quota.reserve("ci", 0, NOW):
            pass
        with quota.reserve("ci", LIMIT, NOW), quota.reserve("ci", 0, NOW):
            assert refuses(quota)
    assert not refuses(quota)


def test_a_published_bundle_releases_its_blobs_whoever_uploaded_them(quota):
    fill(quota)
    fill(quota, "other")
    quota.release([digest(0)])
    assert not refuses(quota) and not refuses(quota, "other")


def test_the_same_blob_counts_once(quota):
    for _ in range(100):
        quota.add("ci", digest(1), 1, NOW)
    assert quota.unpublished_bytes == LEAST_BYTES


def test_a_restart_forgives_nothing(quota, tmp_path):
    fill(quota)
    quota.release([digest(3)])
    assert reopened(tmp_path).unpublished_bytes == LIMIT - LEAST_BYTES
    assert reopened(tmp_path).unpublished_bytes == LIMIT - LEAST_BYTES  # as written again


def test_what_garbage_collection_has_deleted_counts_no_more(quota, tmp_path):
    fill(quota)
    later = NOW + COUNTED_SECONDS + 1
    assert not refuses(quota, now=later) and quota.unpublished_bytes == 0
    assert reopened(tmp_path, later).unpublished_bytes == 0


def test_no_limit_refuses_nothing(tmp_path):
    quota = UploadQuota(tmp_path / "uploads", 0, NOW)
    fill(quota)
    assert not refuses(quota, more=2**60)


def test_a_file_that_was_cut_or_altered_is_read_as_far_as_it_goes(quota, tmp_path):
    fill(quota)
    file = tmp_path / "uploads"
    file.write_text(file.read_text()[:-5].replace(" ci ", " ", 1) + "\nx y\n\n")
    assert 0 < reopened(tmp_path).unpublished_bytes < LIMIT


def test_the_file_stays_short(quota, tmp_path):
    for n in range(LINES_LEAST):
        quota.add("ci", digest(n), 1, NOW)
        quota.release([digest(n)])
    assert len((tmp_path / "uploads").read_text().splitlines()) <= LINES_LEAST + 1


def test_a_damaged_line_is_forgiven_and_the_file_set_aside(quota, tmp_path, caplog):
    fill(quota)
    file = tmp_path / "uploads"
    lines = file.read_bytes()
    file.write_bytes(bytes([lines[0] ^ 0x80]) + lines[1:])
    assert 0 < reopened(tmp_path).unpublished_bytes < LIMIT
    assert (tmp_path / "uploads.damaged").read_bytes()[1:] == lines[1:]
    assert f"{file} is damaged (1 of " in caplog.text
    caplog.clear()
    assert 0 < reopened(tmp_path).unpublished_bytes < LIMIT and not caplog.records


@pytest.mark.parametrize("content", [bytes(4096), b"\x80\n" * 9, b"9" * 5000 + b" ci d 1\n" + b"1 ci d " + b"9" * 5000])
def test_garbage_counts_nothing_and_stops_no_start(tmp_path, content):
    (tmp_path / "uploads").write_bytes(content)
    assert reopened(tmp_path).unpublished_bytes == 0


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_what_is_no_file_is_set_aside(tmp_path, make):
    make(tmp_path / "uploads")
    fill(reopened(tmp_path))
    assert (tmp_path / "uploads.damaged").exists()
    assert reopened(tmp_path).unpublished_bytes > 0


def test_an_upload_in_the_future_is_forgotten_in_time(tmp_path):
    (tmp_path / "uploads").write_text(f"{NOW * 100:.0f} ci {digest(1)} {LIMIT}\n")
    assert refuses(reopened(tmp_path))
    assert reopened(tmp_path, NOW + COUNTED_SECONDS + 1).unpublished_bytes == 0
