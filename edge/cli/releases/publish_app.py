"""`edge publish`: what `edge bundle publish` does, with what it needs taken from the app's own folder."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import click

from edge.cli.app_folder.app_file import APP_FILE, AppFile, channel_of_branch, read_app_file, web_folder
from edge.cli.app_folder.branches import find_branch
from edge.cli.app_folder.capacitor import PLUGIN, read_capacitor, read_package
from edge.cli.releases.bundles import publish as publish_bundle
from edge.cli.terminal import access
from edge.cli.terminal.output import note
from edge.domain.errors import Invalid

_TAKEN_FROM_THE_FOLDER = frozenset({"app", "path", "version"})
_ENCRYPTED_BEFORE = ("session_key", "checksum", "key_id")  # such a zip has no folder of an app


def _publish(file: Path, version: str | None, no_channel: bool, **options: Any) -> Any:
    """Publish the app of this folder, as edge.json says: its built web folder, to the channel of the branch.

    The version is package.json's. Write edge.json with `edge init`; all options are those of `edge bundle publish`.
    """
    app_file, folder = read_app_file(file), file.parent
    version = version or _package_version(folder)
    if no_channel and options["channel"]:
        raise click.UsageError("--channel and --no-channel exclude each other")
    channel = None if no_channel else options["channel"] or _channel(app_file, folder)
    path = web_folder(file, app_file)
    if not path.exists():
        raise Invalid("no_web_folder", f'{str(path)!r} is not there: build the app first, or set "web" in {file}')
    note(f"publishing {path} as {version} of {app_file.app}" + (f" to {channel}" if channel else ", offered nowhere"))
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
    """An app with a public key and a bundle without one go together on some devices only, and the other way round."""
    try:
        config = read_capacitor(folder)
    except Invalid:
        return  # made by a program, say: publishing does without
    if config is None or config.is_unread("plugins", PLUGIN, "publicKey"):
        return
    if config.plugin.get("publicKey") and not encrypts:
        note('warning: the app has a publicKey and the bundle is not encrypted, which iOS refuses: --key, or "key"')
    if encrypts and not config.plugin.get("publicKey"):
        note("warning: the bundle is encrypted and the app has no publicKey to read it with (edge app doctor)")


def _package_version(folder: Path) -> str:
    version = read_package(folder).get("version")
    if not isinstance(version, str) or not version:
        raise Invalid("no_version", f"no version in {folder / 'package.json'}: name it with --version")
    return version


def _channel(app_file: AppFile, folder: Path) -> str:
    branch = find_branch(os.environ, folder)
    channel = channel_of_branch(app_file.channels, branch) if branch else None
    if channel is None:
        where = f"branch {branch!r}" if branch else "what is no branch (a tag, a detached head)"
        raise Invalid(
            "no_channel_of_branch",
            f'no channel for {where}: add it to "channels" in {APP_FILE}, or say --channel NAME or --no-channel',
        )
    return channel


def _options() -> list[click.Parameter]:
    """Every option of `edge bundle publish`, so that both verbs can do the same."""
    own: list[click.Parameter] = [
        click.Option(
            ["--file"],
            type=click.Path(path_type=Path, dir_okay=False),
            default=APP_FILE,
            show_default=True,
            help="The app's own file.",
        ),
        click.Option(["--version"], help="The bundle's name for ever; else the version of package.json."),
    ]
    left = {*_TAKEN_FROM_THE_FOLDER, *_ENCRYPTED_BEFORE}
    return own + [param for param in publish_bundle.params if param.name not in left]


publish = click.Command(
    "publish", callback=_publish, params=_options(), help=_publish.__doc__, short_help="Publish the app of this folder."
)
