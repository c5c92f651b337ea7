"""A store with its writer and releases in a directory, and processes that are forked and may be killed at a step."""

import hashlib
import os
import sys
import traceback
from collections.abc import Callable
from itertools import count
from pathlib import Path

from factories import APP, NOW, a_bundle, a_change, a_manifest, the_files

from edge.domain.changes.commands import Change, ChannelSettings, CreateApp, CreateChannel, PublishBundle
from edge.domain.model import AppId, Bundle, Digest
from edge.store.heads import shard_of
from edge.store.key_set import open_trust
from edge.store.objects.fs import FsStore
from edge.store.objects.port import blob_key, head_key
from edge.store.releases import Releases
from edge.store.signing import load_or_create_writer

KILLED = 137
STEPS = {"open", "os.link", "os.rename", "os.remove", "os.mkdir", "os.truncate", "fcntl.flock"}


class Truth:
    """Everything a control node opens at its start, below one directory."""

    def __init__(self, top: Path, store: Path | None = None) -> None:
        top.mkdir(exist_ok=True)
        self.top = top
        self.store = FsStore(store or top / "store")
        self.writer = load_or_create_writer(top / "writer.key")
        self.trust = open_trust(self.store, top, NOW, self.writer)
        self.releases = Releases(self.store, self.writer, self.trust)

    def commit(self, command, app: AppId = APP, **changes):
        return self.releases.commit(app, a_change(command, **changes))

    def create(self, app: AppId = APP) -> None:
        self.commit(CreateApp(app=app), app)

    def head_file(self, app: AppId = APP) -> Path:
        return self.store.path(head_key(shard_of(app)))


def a_channel(name: str = "production", **settings) -> CreateChannel:
    return CreateChannel(name=name, settings=ChannelSettings(**settings))


def a_published(truth: Truth, version: str = "1.0.1") -> Bundle:
    """A bundle whose blobs are all in the store; no revision has it yet."""
    content = f"zip {version}".encode()
    for each in (content, a_manifest(version), *the_files(version)):
        put_blob(truth, each)
    return a_bundle(version, zip=Digest(hashlib.sha256(content).hexdigest()), zip_bytes=len(content))


def put_blob(truth: Truth, content: bytes) -> Digest:
    """Store the bytes as an upload does; their digest."""
    found = Digest(hashlib.sha256(content).hexdigest())
    upload = truth.store.scratch()
    upload.write_bytes(content)
    truth.store.adopt(blob_key(found), upload)
    return found


def publish(truth: Truth, version: str, **changes) -> Change:
    """The whole of a publish: blobs, then the change that offers them on `production`."""
    change = a_change(PublishBundle(bundle=a_published(truth, version), channel="production"), **changes)
    truth.releases.commit(APP, change)
    return change


def a_released_truth(top: Path, version: str = "1.0.1") -> Truth:
    truth = Truth(top)
    truth.create()
    truth.commit(a_channel(public=True))
    publish(truth, version)
    return truth


def apps_of_one_shard(number: int) -> list[AppId]:
    names = (AppId(f"com.example.app{n}") for n in count())
    found: list[AppId] = []
    while len(found) < number:
        name = next(names)
        if not found or shard_of(name) == shard_of(found[0]):
            found.append(name)
    return found


def fork(call: Callable[[], object]) -> int:
    """Run `call` in a child process; its process id. The child exits with 0, or 1 and a traceback."""
    process = os.fork()
    if process:
        return process
    try:
        call()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def exit_code(process: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def die_at(step: int) -> None:
    """End this process, as `kill -9` would, just before its step-th touch of a file from now on."""
    steps = count(1)

    def touch() -> None:
        if next(steps) == step:
            os._exit(KILLED)

    def audit(event: str, _args: object) -> None:
        if event in STEPS:
            touch()

    def profile(_frame: object, event: str, called: object) -> None:
        # What the interpreter does not audit: bytes written, and the syncs.
        if event == "c_call" and getattr(called, "__name__", "") in {"write", "flush", "fsync"}:
            touch()

    sys.addaudithook(audit)
    sys.setprofile(profile)
