"""Values for tests: every factory makes a valid one, and a test names only what it is about."""

import hashlib
from itertools import count

from edge.domain.changes.apply import apply
from edge.domain.changes.commands import Change, ChannelSettings, CreateApp, CreateChannel, PublishBundle
from edge.domain.decision.snapshot import AppSnapshot, build_snapshot
from edge.domain.facts import Cause, DeviceFacts, Failure, FailureStage, name_hash
from edge.domain.file_names import NameFacts
from edge.domain.manifest import encode_manifest
from edge.domain.model import AppId, AppState, Bundle, Digest, FileEntry, Platform, UpdateCheck
from edge.domain.plugin import Plugin
from edge.domain.schedule.rollout import Moment
from edge.domain.versions import coerce_native

APP = AppId("com.example.app")
DEVICE = "00009a6b-eefe-490a-9c60-8e965132ae51"
NOW = 1_700_000_000.0
MOMENT = Moment(NOW, NOW)

_ids = count()


def digest(text: str) -> Digest:
    return Digest(hashlib.sha256(text.encode()).hexdigest())


def a_manifest(version: str = "1.0.1", files: int = 2) -> bytes:
    """Of files whose stored bytes are `the_files` of the same arguments."""
    return encode_manifest(
        FileEntry(name, digest(name + version), digest(f"{name}{version}blob"), len(f"{name}{version}blob"))
        for name in _file_names(files)
    )


def the_files(version: str = "1.0.1", files: int = 2) -> list[bytes]:
    """The bytes of every blob that `a_manifest` names, packed and plain."""
    return [f"{name}{version}{end}".encode() for name in _file_names(files) for end in ("", "blob")]


def _file_names(files: int) -> tuple[str, ...]:
    return ("index.html", *(f"assets/{n}.js" for n in range(1, files)))


def a_bundle(version: str = "1.0.1", **changes) -> Bundle:
    values = {
        "version": version,
        "content": digest(f"content {version}"),
        "zip": digest(f"zip {version}"),
        "zip_bytes": 1_000,
        "zip_crc32": "0badcafe",
        "manifest": Digest(hashlib.sha256(a_manifest(version)).hexdigest()),
        "files": 2,
        "plain_bytes": 2_000,
        "names": NameFacts(longest_bytes=10, longest_listed_bytes=10, same=False, same_and_equal=False),
        "plain_files": True,
        "published": NOW,
    }
    return Bundle(**(values | changes))


def a_change(command, **changes) -> Change:
    return Change(**({"id": f"change-{next(_ids)}", "at": NOW, "by": "test", "command": command} | changes))


def an_app(*commands, app: str = APP, expose_metadata: bool = False) -> AppState:
    """The state after creating the app and carrying out `commands`."""
    state = apply(None, a_change(CreateApp(app=app, expose_metadata=expose_metadata)))
    for command in commands:
        state = apply(state, a_change(command))
    return state


def a_released_app(version: str = "1.0.1", *, bundle: Bundle | None = None, **settings) -> AppState:
    """One public channel `production` that offers one bundle."""
    return an_app(
        CreateChannel(name="production", settings=ChannelSettings(**({"public": True} | settings))),
        PublishBundle(bundle=bundle or a_bundle(version), channel="production"),
    )


def a_snapshot(state: AppState, now: float = NOW, before: AppSnapshot | None = None, **given) -> AppSnapshot:
    documents = {bundle.manifest: a_manifest(bundle.version) for bundle in state.bundles.values()}
    documents |= {retired.manifest: a_manifest(version) for version, retired in state.retired.items()}
    return build_snapshot(state, documents.__getitem__, now=now, before=before, **given)


def a_check(**changes) -> UpdateCheck:
    native = changes.get("version_build", "1.0.0")
    values = {
        "app": APP,
        "device": DEVICE,
        "platform": Platform.ANDROID,
        "version_name": native,
        "version_build": native,
        "native": coerce_native(native),
        "plugin": Plugin("8.51.14"),
    }
    return UpdateCheck(**(values | changes))


def failed(*versions: str) -> tuple[Failure, ...]:
    """Bundles that did not start on a device."""
    return tuple(Failure(name_hash(version), FailureStage.FOR_GOOD, Cause.UPDATE_FAIL) for version in versions)


def withheld(facts: DeviceFacts) -> tuple[int, ...]:
    """The bundles that are or were withheld, the oldest first."""
    return tuple(failure.bundle for failure in facts.failures if failure.withheld)
