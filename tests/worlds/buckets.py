"""Buckets to test with: a fixture for each server, started once and only if a test asks for it, and clients of them."""

import os
import secrets
from contextlib import contextmanager

import pytest
from radosgw import radosgw
from s3_servers import ACCESS, BUCKET, SECRET, interposed, keys_file, make_bucket, moto_server

from edge.store.objects.fs import FsStore
from edge.store.s3.bucket_place import BucketPlace
from edge.store.s3.client import BucketClient, CallLimits
from edge.store.s3.s3_store import S3Store

QUICK = CallLimits(attempt_seconds=5.0, call_seconds=10.0, first_pause_seconds=0.001, longest_pause_seconds=0.002)


@pytest.fixture(scope="session")
def moto_address():
    with moto_server() as address, environment(AWS_ACCESS_KEY_ID=ACCESS, AWS_SECRET_ACCESS_KEY=SECRET):
        make_bucket(address)
        yield address


@pytest.fixture(scope="session")
def radosgw_address(tmp_path_factory):
    """The real thing. Skipped where it is not installed."""
    keys = environment(AWS_ACCESS_KEY_ID=ACCESS, AWS_SECRET_ACCESS_KEY=SECRET)
    with keys, radosgw(tmp_path_factory.mktemp("radosgw"), ACCESS, SECRET, BUCKET) as address:
        yield address


@pytest.fixture
def before_moto(moto_address):
    """An `Interposer`."""
    with interposed(moto_address) as server:
        yield server


def a_place(address, folder=None, prefix=None, bucket=BUCKET):
    prefix = f"test/{secrets.token_hex(6)}" if prefix is None else prefix
    return BucketPlace(bucket, prefix, address, path_style=True, credentials_file=keys_file(folder) if folder else None)


def a_client(address, prefix=None, limits=QUICK, bucket=BUCKET, **options):
    with environment(AWS_ACCESS_KEY_ID=ACCESS, AWS_SECRET_ACCESS_KEY=SECRET):
        return BucketClient(a_place(address, prefix=prefix, bucket=bucket), limits=limits, **options)


def a_bucket_store(address, folder, prefix=None, **options):
    """With a mirror of its own in `folder`."""
    return S3Store(a_client(address, prefix, **options), FsStore(folder))


@contextmanager
def environment(**variables):
    """Of this process, for the block: the client reads it when it is made."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
