"""`edge bundle publish`: publish a folder or a zip as a version of an app."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from edge.bundles.patches.wanted import PATCHED_RELEASES, PATCHED_RELEASES_LIMIT
from edge.cli.publishing.choosing import left_out_lines, with_selection
from edge.cli.releases.reach import warn_of_reach
from edge.cli.releases.replaced import instead_of, print_ended, print_rolling, replacing_options
from edge.cli.terminal.asking import Asking, carry_out, require_answer, with_asking
from edge.cli.terminal.client import ControlClient, app_path
from edge.cli.terminal.options import with_change
from edge.cli.terminal.output import Output, counted, line, note, size

if TYPE_CHECKING:  # these import compression and cryptography, which the other verbs do without
    from edge.bundles.sources.selection import Selection
    from edge.cli.publishing.publish import Post, PublishedBundle, Release

F = TypeVar("F", bound=Callable[..., Any])


class _Packing(NamedTuple):
    """How a source is packed, as the options say."""

    fast: bool
    patched_releases: int
    key_file: Path | None


def _adding(command: F, *options: Callable[[F], F]) -> F:
    for option in reversed(options):
        command = option(command)
    return command


def release_options(command: F) -> F:
    """Adds what a Release is made of, but for the app, and --no-channel."""
    return _adding(
        command,
        click.option(
            "--version",
            required=True,
            metavar="VERSION",
            help="Semantic version of the bundle; it can never be reused.",
        ),
        click.option("--channel", metavar="NAME", help="Offer it on this channel at once."),
        click.option("--no-channel", is_flag=True, help="Offer it on no channel yet."),
        replacing_options,
        click.option(
            "--rollout",
            "steps",
            metavar="P,P,…",
            help="Offer it to these rising shares in percent, such as 1,5,25,100, under the channel's guard.",
        ),
        click.option("--every", metavar="DURATION", help="With --rollout: duration of a step, such as 6h."),
        click.option("--min-native", default="", metavar="VERSION", help="Oldest native version that can run it."),
        click.option("--max-native", default="", metavar="VERSION", help="Newest native version that can run it."),
        click.option("--link", default="", metavar="URL", help="Page with details about this version."),
        click.option("--comment", default="", metavar="TEXT", help="Note about this version."),
    )


def packing_options(command: F) -> F:
    """Adds how the files are packed, or how they were encrypted already."""
    key = click.Path(path_type=Path, exists=True, dir_okay=False)
    return _adding(
        command,
        click.option("--fast", is_flag=True, help="Compress faster, for previews; downloads get larger."),
        click.option(
            "--patches",
            "patched_releases",
            type=click.IntRange(0, PATCHED_RELEASES_LIMIT),
            show_default=str(PATCHED_RELEASES),
            help="Number of earlier releases to make patches from, for browsers.",
        ),
        click.option("--no-patches", is_flag=True, help="Make no patches."),
        click.option("--sizes", is_flag=True, help="List what each plugin release downloads, and what changed."),
        click.option(
            "--key",
            "key_file",
            type=key,
            help="Encrypt with this private key (`edge keys create`); it never leaves this machine.",
        ),
        click.option("--session-key", metavar="TEXT", help="Session key of PATH, an already encrypted zip."),
        click.option("--checksum", metavar="HEX", help="Encrypted checksum of that zip."),
        click.option(
            "--key-id", metavar="TEXT", help="First 20 characters of that zip's public key, to match devices by key."
        ),
    )


@click.command(short_help="Publish a folder or zip as a bundle of APP.")
@click.argument("app")
@click.argument("path", type=click.Path(path_type=Path, exists=True))
@release_options
@packing_options
@with_selection
@with_asking
@with_change
def publish(
    client: ControlClient,
    out: Output,
    asking: Asking,
    *,
    app: str,
    path: Path,
    selection: "Selection",
    no_channel: bool,
    fast: bool,
    patched_releases: int | None,
    no_patches: bool,
    sizes: bool,
    key_file: Path | None,
    session_key: str | None,
    checksum: str | None,
    key_id: str | None,
    **about: Any,
) -> None:
    """Publish PATH, a folder or zip with an index.html, as a bundle of APP. Uploads only what the node lacks.

    .edgeignore (in the working directory, then in PATH) and --exclude leave files out, as .gitignore does; .env*, .git
    and source maps are left out by default. Files that look like secrets stop the publish: exclude each, or include it
    by name.

    With --session-key and --checksum, PATH is an already encrypted zip, which the node serves unverified.

    Asks for confirmation with --force, --downgrade and --again. --dry-run uploads files but publishes nothing.
    """
    from edge.cli.publishing.publish import Release

    release = Release(app=app, rollout=_rollout(about.pop("steps"), about.pop("every"), about["channel"]), **about)
    _check_channel_options(release, no_channel)
    patched = _patched_releases(patched_releases, no_patches)
    _check_encryption_options(path, key_file, session_key, checksum, key_id)
    post = _confirming(client, out, asking, release)
    if session_key is not None:
        done = _publish_encrypted(client, release, path, post, session_key, checksum or "", key_id or "")
    else:
        packed = _Packing(fast, patched, key_file)
        done = _publish_source(client, release, path, post, selection, packed)
    out.result({**done.answer, **done.told_apart}, lambda: _print_text(done, release.channel, sizes))
    _warn(client, release, done)


def _confirming(client: ControlClient, out: Output, asking: Asking, release: "Release") -> "Post":
    """What sends the request that publishes. Confirmation is checked before the work, not after it."""
    from edge.cli.publishing.publish import post_at_once

    where = f" to channel {release.channel}" if release.channel else ""
    what = f"publish {release.version} of {release.app}{where}"
    if not (release.force or release.downgrade or release.again):
        asking = asking._replace(yes=True)
    if release.channel is not None and not asking.yes:
        client.get(app_path(release.app, "channels", release.channel))  # an unknown channel is its own error
    require_answer(asking, what)
    if asking.yes and not asking.dry_run:
        return post_at_once
    return lambda client, request: carry_out(client, out, asking, request, what)


def _publish_encrypted(
    client: ControlClient, release: "Release", path: Path, post: "Post", session_key: str, checksum: str, key_id: str
) -> "PublishedBundle":
    from edge.cli.publishing.publish import publish_opaque
    from edge.domain.encryption import build_encryption

    encryption = build_encryption(session_key=session_key, checksum=checksum, key_id=key_id)
    return publish_opaque(client, release, path, encryption, post)


def _publish_source(
    client: ControlClient,
    release: "Release",
    path: Path,
    post: "Post",
    selection: "Selection",
    packed: _Packing,
) -> "PublishedBundle":
    from edge.bundles.encryption.rsa_keys import load_private_key
    from edge.bundles.packing.effort import FAST, SMALLEST
    from edge.cli.publishing.publish import PublishOptions, publish
    from edge.cli.publishing.remembering import open_memory

    key = load_private_key(packed.key_file) if packed.key_file else None
    with open_memory(os.environ) as memory:
        effort = FAST if packed.fast else SMALLEST
        options = PublishOptions(selection, effort, memory, key, patched_releases=packed.patched_releases)
        return publish(client, release, path, options, post)


def _warn(client: ControlClient, release: "Release", done: "PublishedBundle") -> None:
    if done.report and done.report.warning and done.answer["changed"]:
        note(f"warning: {done.report.warning}")
    if release.channel is not None:
        warn_of_reach(client, release.app, release.channel)


def _check_channel_options(release: "Release", no_channel: bool) -> None:
    """Raises click.UsageError."""
    if no_channel and release.channel is not None:
        raise click.UsageError("--channel and --no-channel exclude each other")
    given = release.force or release.downgrade or release.again or release.if_current is not None
    if release.channel is None and given:
        raise click.UsageError("--force, --downgrade, --again and --if-current need --channel")


def _rollout(steps: str | None, every: str | None, channel: str | None) -> dict[str, Any] | None:
    """Raises click.UsageError, and Invalid for a malformed duration."""
    from edge.domain.schedule.durations import parse_duration

    if steps is None and every is not None:
        raise click.UsageError("--every needs --rollout")
    if steps is not None and channel is None:
        raise click.UsageError("--rollout needs --channel")
    if steps is None:
        return None
    shares = [step.strip() for step in steps.split(",")]
    return {"steps": shares, "every_seconds": parse_duration(every) if every else 0}


def _patched_releases(given: int | None, no_patches: bool) -> int:
    """Raises click.UsageError."""
    if no_patches and given is not None:
        raise click.UsageError("--patches and --no-patches exclude each other")
    return 0 if no_patches else PATCHED_RELEASES if given is None else given


def _check_encryption_options(
    path: Path, key_file: Path | None, session_key: str | None, checksum: str | None, key_id: str | None
) -> None:
    """Raises click.UsageError."""
    if (session_key is None) != (checksum is None):
        raise click.UsageError("--session-key and --checksum need each other")
    if session_key is None and key_id is not None:
        raise click.UsageError("--key-id needs --session-key")
    if session_key is not None and key_file is not None:
        raise click.UsageError("--key and --session-key exclude each other: that zip is already encrypted")
    if session_key is not None and not path.is_file():
        raise click.UsageError("with --session-key, PATH must be an encrypted zip")


def _print_text(done: "PublishedBundle", channel: str | None, sizes: bool) -> None:
    answer = done.answer
    for each in left_out_lines(done.left_out):
        line(each)
    line(f"{_done(answer, channel)} (revision {answer['revision']})")
    if rollout := answer.get("rollout"):
        print_rolling(rollout)
    print_ended(answer["replaced"])
    uploaded = f"uploaded {counted(done.uploaded, 'blob')}, {size(done.uploaded_bytes)}"
    if answer["files"] is None:
        return line(f"encrypted and unverified, {size(answer['zip_bytes'])}; {uploaded}")
    weight = f"{size(answer['plain_bytes'])} plain, {size(answer['zip_bytes'])} as a zip"
    locked = f", encrypted for key {answer['encryption']['key_id']}" if answer["encryption"] else ""
    line(f"{counted(answer['files'], 'file')}, {weight}{locked}; {uploaded}")
    if done.report:
        for each in done.report.lines() if sizes else [done.report.line()]:
            line(each)
    if done.patches:
        left = f"; no time or room for {done.patches.left} more" if done.patches.left else ""
        line(f"{counted(len(done.patches.patches), 'patch', 'patches')} for browsers, {size(done.patches.bytes)}{left}")
    for each in answer["zip_instead"]:
        line(each["message"])
    return None


def _done(answer: dict[str, Any], channel: str | None) -> str:
    """What happened: an existing version is offered, not published."""
    name, instead = f"{answer['version']} of {answer['app']}", instead_of(answer["replaced"])
    if rollout := answer.get("rollout"):
        said = "published" if answer["added"] else "rolling out" if answer["changed"] else "no change:"
        return f"{said} {name}, offered to {rollout['share']} on {channel}"
    if answer["changed"] and not answer["added"] and channel:
        return f"offered {name} on {channel}{instead}"
    offered = f", offered on {channel}{instead}" if channel else ""
    return f"{'published' if answer['changed'] else 'no change:'} {name}{offered}"
