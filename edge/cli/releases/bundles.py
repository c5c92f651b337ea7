"""`edge bundle`: publish a folder or a zip as a version of an app, and look after the versions there are."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge.cli.publishing.choosing import left_out_lines, with_selection
from edge.cli.releases.reach import warn_of_reach
from edge.cli.releases.replaced import instead_of, replacing_options, tell_ended
from edge.cli.terminal.asking import Asking, ControlRequest, carry_out, need_somebody, with_asking
from edge.cli.terminal.client import ControlClient, app_path
from edge.cli.terminal.options import with_api
from edge.cli.terminal.output import Output, counted, fields, line, moment, note, size, table

if TYPE_CHECKING:
    from edge.bundles.sources.selection import Selection
    from edge.cli.publishing.publish import PublishedBundle


@click.group()
def bundle() -> None:
    """Publish, list, delete, prune and withdraw bundles."""


@bundle.command(short_help="Pack a folder or zip, upload it, add it to APP.")
@click.argument("app")
@click.argument("path", type=click.Path(path_type=Path, exists=True))
@click.option("--version", required=True, help="The bundle's name for ever: a semantic version.")
@click.option("--channel", help="Offer it in this channel at once.")
@click.option("--sizes", is_flag=True, help="List what each plugin release downloads, and what changed.")
@click.option("--no-channel", is_flag=True, help="Offer it nowhere yet.")
@replacing_options
@click.option("--min-native", default="", metavar="VERSION", help="The oldest native version that can run it.")
@click.option("--max-native", default="", metavar="VERSION", help="The newest native version that can run it.")
@click.option("--link", default="", metavar="URL", help="Where people read about this version.")
@click.option("--comment", default="", metavar="TEXT", help="A word about this version.")
@click.option("--fast", is_flag=True, help="Compress in a moment, for larger downloads: for previews.")
@click.option(
    "--key",
    "key_file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Encrypt with this private key (`edge keys create`); it stays on this machine.",
)
@click.option(
    "--session-key", metavar="TEXT", help="PATH is a zip encrypted before: the session key that was told then."
)
@click.option("--checksum", metavar="HEX", help="The encrypted checksum that was told with it.")
@click.option(
    "--key-id", metavar="TEXT", help="The first 20 characters of its public key, if devices shall be told apart."
)
@with_selection
@with_asking
@with_api
def publish(
    client: ControlClient,
    out: Output,
    asking: Asking,
    app: str,
    path: Path,
    selection: "Selection",
    version: str,
    channel: str | None,
    no_channel: bool,
    sizes: bool,
    min_native: str,
    max_native: str,
    link: str,
    comment: str,
    fast: bool,
    force: bool,
    downgrade: bool,
    again: bool,
    if_current: str | None,
    key_file: Path | None,
    **encrypted_before: str | None,
) -> None:
    """Pack PATH, a folder or zip with an index.html, upload what the node lacks, and add it to APP.

    Rules in .edgeignore (of the working directory, then of PATH) and --exclude leave files out as .gitignore does;
    .env*, .git and source maps are left out anyway. Files that look like secrets refuse the publish until each is
    excluded, or included by its name.

    With --session-key and --checksum PATH is a zip that was encrypted before; the node hands it on unverified.

    Asks before --force, --downgrade and --again. --dry-run uploads, and publishes nothing.
    """
    if no_channel and channel is not None:
        raise click.UsageError("--channel and --no-channel exclude each other")
    if channel is None and (force or downgrade or again or if_current is not None):
        raise click.UsageError("--force, --downgrade, --again and --if-current go with --channel")
    _check_encryption_options(path, key_file, **encrypted_before)
    # These bring compression and cryptography; the other verbs do without.
    from edge.bundles.encryption.rsa_keys import load_private_key
    from edge.bundles.packing.effort import FAST, SMALLEST
    from edge.cli.publishing.publish import PublishOptions, Release, post_at_once, publish, publish_opaque
    from edge.cli.publishing.remembering import open_memory

    what = f"publish {version} of {app} to channel {channel}" if channel else f"publish {version} of {app}"
    if not (force or downgrade or again):
        asking = asking._replace(yes=True)
    if channel is not None and not asking.yes:
        client.get(app_path(app, "channels", channel))  # an unknown one is refused as such
    need_somebody(asking, what)  # before the work, not after it

    def post(client: ControlClient, request: ControlRequest) -> Any:
        if asking.yes and not asking.dry_run:
            return post_at_once(client, request)
        return carry_out(client, out, asking, request, what)

    release = Release(app, version, channel, min_native, max_native, link, comment, force, downgrade, again, if_current)
    if encrypted_before["session_key"] is not None:
        from edge.domain.encryption import build_encryption

        given = {name: text or "" for name, text in encrypted_before.items()}
        done = publish_opaque(client, release, path, build_encryption(**given), post)
    else:
        key = load_private_key(key_file) if key_file else None
        with open_memory(os.environ) as memory:
            done = publish(
                client, release, path, PublishOptions(selection, FAST if fast else SMALLEST, memory, key), post
            )
    out.result({**done.answer, **done.told_apart}, lambda: _tell(done, channel, sizes))
    if done.report and done.report.warning and done.answer["changed"]:
        note(f"warning: {done.report.warning}")
    if channel is not None:
        warn_of_reach(client, app, channel)


@bundle.command("list")
@click.argument("app")
@with_api
def list_bundles(client: ControlClient, out: Output, app: str) -> None:
    """List the bundles of APP, newest first."""
    bundles = client.get(app_path(app, "bundles"))
    rows = [
        [
            each["version"],
            moment(each["published"]),
            each["files"],
            size(each["zip_bytes"]),
            _encryption_word(each),
            each["channels"],
            each["withdrawn"],
        ]
        for each in bundles
    ]
    columns = ("version", "published", "files", "zip", "encryption", "channels", "withdrawn")
    out.result(bundles, lambda: table(columns, rows, "no bundles yet"))


@bundle.command()
@click.argument("app")
@click.argument("version")
@with_api
def show(client: ControlClient, out: Output, app: str, version: str) -> None:
    """Show VERSION of APP with its files."""
    found = client.get(app_path(app, "bundles", version))

    def tell() -> None:
        apart = ("entries", "published", "encrypted", "encryption")
        plain = [(name.replace("_", " "), value) for name, value in found.items() if name not in apart]
        key_id = found["encryption"]["key_id"] if found["encryption"] else None
        fields(
            [
                *plain,
                ("published", moment(found["published"])),
                ("encryption", _encryption_word(found)),
                ("key id", key_id),
            ]
        )
        line("")
        table(
            ("file", "bytes", "sha256"),
            [[each["name"], each["bytes"], each["hash"]] for each in found["entries"]],
            "its files are not known",
        )

    out.result(found, tell)


@bundle.command()
@click.argument("app")
@click.argument("version")
@with_asking
@with_api
def delete(client: ControlClient, out: Output, asking: Asking, app: str, version: str) -> None:
    """Delete VERSION of APP; what a channel offers cannot be deleted."""
    request = ControlRequest("DELETE", app_path(app, "bundles", version))
    gone = carry_out(client, out, asking, request, f"delete {version} of {app}")
    out.result(gone, lambda: line(f"deleted {gone['version']} of {gone['app']}"))


@bundle.command(short_help="Delete old bundles of APP that nobody needs.")
@click.argument("app")
@click.option("--keep", type=click.IntRange(min=0), required=True, metavar="N", help="How many of the newest stay.")
@with_asking
@with_api
def prune(client: ControlClient, out: Output, asking: Asking, app: str, keep: int) -> None:
    """Delete the bundles of APP behind the newest N, except for those that a channel offers, has on its way, tries in
    an experiment or can fall back to.

    Their names stay used up. Devices can fetch their files for 7 more days; the disk gets free when garbage is
    collected.
    """
    request = ControlRequest("POST", app_path(app, "bundles", "prune"), {"keep": keep})
    after = carry_out(client, out, asking, request, lambda foreseen: f"prune {_freed(foreseen)}")

    def tell() -> None:
        if not after["removed"]:
            return line(f"no change: nothing to prune of {app}, {after['kept']} kept (revision {after['revision']})")
        line(f"pruned {_freed(after)}, {after['kept']} kept (revision {after['revision']})")
        return line(f"removed: {', '.join(each['version'] for each in after['removed'])}")

    out.result(after, tell)


@bundle.command(short_help="Never offer VERSION of APP again, anywhere.")
@click.argument("app")
@click.argument("version")
@click.option("--reason", required=True, metavar="TEXT", help="Why, in one line; shown wherever somebody looks.")
@with_asking
@with_api
def withdraw(client: ControlClient, out: Output, asking: Asking, app: str, version: str, reason: str) -> None:
    """Never offer VERSION of APP again anywhere; devices on it are moved to the last good bundle."""
    request = ControlRequest("POST", app_path(app, "bundles", version, "withdraw"), {"reason": reason})
    after = carry_out(client, out, asking, request, f"withdraw {version} of {app}: {reason}")

    def tell() -> None:
        done, name = f"{after['withdrawn']} (revision {after['revision']})", f"{after['version']} of {after['app']}"
        line(f"withdrew {name}: {done}" if after["changed"] else f"no change: {name} is withdrawn: {done}")

    out.result(after, tell)


def _tell(done: "PublishedBundle", channel: str | None, sizes: bool) -> None:
    answer = done.answer
    for each in left_out_lines(done.left_out):
        line(each)
    line(f"{_done(answer, channel)} (revision {answer['revision']})")
    tell_ended(answer["replaced"])
    uploaded = f"uploaded {counted(done.uploaded, 'blob')}, {size(done.uploaded_bytes)}"
    if answer["files"] is None:
        return line(f"encrypted and unverified, {size(answer['zip_bytes'])}; {uploaded}")
    weight = f"{size(answer['plain_bytes'])} plain, {size(answer['zip_bytes'])} as a zip"
    locked = f", encrypted for key {answer['encryption']['key_id']}" if answer["encryption"] else ""
    line(f"{counted(answer['files'], 'file')}, {weight}{locked}; {uploaded}")
    if done.report:
        for each in done.report.lines() if sizes else [done.report.line()]:
            line(each)
    for each in answer["zip_instead"]:
        line(each["message"])
    return None


def _done(answer: dict[str, Any], channel: str | None) -> str:
    """What was done: a version that was there before is offered, not published."""
    name, instead = f"{answer['version']} of {answer['app']}", instead_of(answer["replaced"])
    if answer["changed"] and not answer["added"] and channel:
        return f"offered {name} in {channel}{instead}"
    offered = f", offered in {channel}{instead}" if channel else ""
    return f"{'published' if answer['changed'] else 'no change:'} {name}{offered}"


def _freed(pruned: dict[str, Any]) -> str:
    bundles = counted(len(pruned["removed"]), "bundle")
    return f"{bundles} of {pruned['app']}, {size(pruned['bytes'])} to be freed when garbage is collected"


def _encryption_word(bundle: dict[str, Any]) -> str:
    found = bundle["encryption"]
    if found is None:
        return ""
    return "verified" if found["verified"] else "unverified"


def _check_encryption_options(
    path: Path, key_file: Path | None, session_key: str | None, checksum: str | None, key_id: str | None
) -> None:
    """Raises click.UsageError."""
    if (session_key is None) != (checksum is None):
        raise click.UsageError("--session-key and --checksum go together")
    if session_key is None and key_id is not None:
        raise click.UsageError("--key-id goes with --session-key")
    if session_key is not None and key_file is not None:
        raise click.UsageError("--key encrypts; with --session-key the zip is encrypted already")
    if session_key is not None and not path.is_file():
        raise click.UsageError("with --session-key PATH is one encrypted zip")
