"""`edge publish`: `edge bundle publish` with its arguments taken from the app's folder."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import click

from edge.cli.app_folder.app_file import APP_FILE, AppFile, channel_of_branch, read_app_file, web_folder
from edge.cli.app_folder.branches import absent_branch, find_branch
from edge.cli.app_folder.capacitor import PLUGIN, read_capacitor, read_package
from edge.cli.releases.publish_bundle import publish as publish_bundle
from edge.cli.terminal import access
from edge.cli.terminal.output import note
from edge.domain.errors import Invalid

_TAKEN_FROM_THE_FOLDER = frozenset({"app", "path", "version"})
_ENCRYPTED_BEFORE = ("session_key", "checksum", "key_id")  # a zip encrypted elsewhere has no app folder


def _publish(file: Path, version: str | None, no_channel: bool, **options: Any) -> Any:
    """Publish the app in this folder as edge.json describes it: its built web folder, to the branch's channel.

    The version comes from package.json. Write edge.json with `edge init`. The other options are those of `edge bundle
    publish`.
    """
    app_file, folder = read_app_file(file), file.parent
    given, version = version, version or _package_version(folder)
    if no_channel and options["channel"]:
        raise click.UsageError("--channel and --no-channel exclude each other")
    channel = None if no_channel else options["channel"] or _channel(app_file, folder)
    path = web_folder(file, app_file)
    if not path.exists():
        raise Invalid("no_web_folder", f'{str(path)!r} does not exist: build the app first, or set "web" in {file}')
    note(
        f"publishing {path} as {version}{'' if given else ' (package.json)'} of {app_file.app}"
        + (f" to channel {channel}" if channel else ", offered on no channel")
    )
    _warn_of_keys(folder, options["key_file"] is not None or bool(app_file.key))
    options |= {
        "app": app_file.app,
        "path": path,
        "version": version,
        "channel": channel,
        "no_channel": no_channel,
        "exclude": (*app_file.exclude, *options["exclude"]),
        "ignore_folder": folder,
        "include_by_file": tuple(app_file.include),
        "key_file": options["key_file"] or (folder / app_file.key if app_file.key else None),
    }
    if not options["url"] and app_file.server:
        config_file, given = options["config_file"], options["token"]
        options |= {"url": app_file.server, "token": access.token_for_named(app_file.server, given, config_file)}
    run = cast(Callable[..., Any], publish_bundle.callback)
    return run(**options, **dict.fromkeys(_ENCRYPTED_BEFORE))


def _warn_of_keys(folder: Path, encrypts: bool) -> None:
    """Warn if only one of app and bundle has a key: some devices then refuse the update."""
    try:
        config = read_capacitor(folder)
    except Invalid:
        return  # computed by a program, say: publishing does not need it
    if config is None or config.is_unread("plugins", PLUGIN, "publicKey"):
        return
    if config.plugin.get("publicKey") and not encrypts:
        note(
            'warning: the app has a publicKey, so iOS refuses this unencrypted bundle: use --key, or "key" in edge.json'
        )
    if encrypts and not config.plugin.get("publicKey"):
        note("warning: the app has no publicKey to decrypt this bundle with (see `edge app doctor`)")


def _package_version(folder: Path) -> str:
    version = read_package(folder).get("version")
    if not isinstance(version, str) or not version:
        raise Invalid("no_version", f"no version in {folder / 'package.json'}: add one, or use --version")
    return version


def _channel(app_file: AppFile, folder: Path) -> str:
    branch = find_branch(os.environ, folder)
    channel = channel_of_branch(app_file.channels, branch) if branch else None
    if channel is None:
        where = f"branch {branch!r}" if branch else absent_branch(folder)
        add = f'add one to "channels" in {APP_FILE}, or ' if branch else ""  # those are of branches
        raise Invalid("no_channel_of_branch", f"no channel for {where}: {add}use --channel NAME or --no-channel")
    return channel


def _options() -> list[click.Parameter]:
    """Those of `edge bundle publish`, but for what the folder gives."""
    own: list[click.Parameter] = [
        click.Option(
            ["--file"],
            type=click.Path(path_type=Path, dir_okay=False),
            default=APP_FILE,
            show_default=True,
            help="The app's edge.json.",
        ),
        click.Option(
            ["--version"],
            metavar="VERSION",
            help="Semantic version of the bundle, which can never be reused; default: package.json's.",
        ),
    ]
    left = {*_TAKEN_FROM_THE_FOLDER, *_ENCRYPTED_BEFORE}
    return own + [param for param in publish_bundle.params if param.name not in left]


publish = click.Command(
    "publish", callback=_publish, params=_options(), help=_publish.__doc__, short_help="Publish the app in this folder."
)
