"""The faults of an app that its devices would hit, each with a remedy. Pure: reads an AppFolder."""

import enum
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlsplit

from edge.cli.app_folder.downloads import DownloadForm, download_form
from edge.cli.app_folder.folder import CORE_PACKAGE, PLUGIN_PACKAGE, AppFolder, same_key
from edge.domain.model import Platform
from edge.domain.versions import Version, coerce_native, parse_version
from edge.wire.plugins.capabilities import is_unknown_release
from edge.wire.plugins.forms import OLDEST_SUPPORTED_MAJOR

READY_TIMEOUT_LEAST_MS = 1_000  # below it, newer plugins use this, and older ones roll every bundle back
READY_TIMEOUT_LOW_MS = 5_000  # an old phone takes that long to start a large app
PERIOD_LEAST_SECONDS = 600  # the plugin's minimum: shorter periods become this
MISTAKES = ("9.0.0", "10.0.0")  # old code under a high number (PROTOCOL.md §10)
_ADDRESSES = {"updateUrl": "/updates", "statsUrl": "/stats", "channelUrl": "/channel_self"}
_MODES = (True, False, "off", "atBackground", "atInstall", "onLaunch", "always", "onlyDownload")
_OWN_ORIGINS = ("https://localhost", "capacitor://localhost")  # of the web view: Android, iOS


class Level(enum.StrEnum):
    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


class AppFinding(NamedTuple):
    """One result: `about` is the setting or subject, `remedy` is empty if all is well."""

    level: Level
    about: str
    says: str
    remedy: str = ""


def find_faults(folder: AppFolder) -> list[AppFinding]:
    """In the order to fix them."""
    found = [*_config(folder), *_plugin_version(folder)]
    if folder.config is not None:
        found += [*_addresses(folder), *_live_reload(folder), *_settings(folder), *_key(folder), *_names(folder)]
    return [*found, *_ready(folder), *_policy(folder)]


def _ok(about: str, says: str) -> AppFinding:
    return AppFinding(Level.OK, about, says)


def _warning(about: str, says: str, remedy: str) -> AppFinding:
    return AppFinding(Level.WARNING, about, says, remedy)


def _error(about: str, says: str, remedy: str) -> AppFinding:
    return AppFinding(Level.ERROR, about, says, remedy)


def _config(folder: AppFolder) -> Iterator[AppFinding]:
    if folder.config is None:
        yield _error("config", "no capacitor.config.json, .ts or .js in this folder", "run this in the app's folder")
        return
    yield _ok("config", f"read {folder.config.file.name}")
    for name in folder.config.unread:
        yield _warning("config", f"{name} is not a literal and was not read", "check it yourself")


def _plugin_version(folder: AppFolder) -> Iterator[AppFinding]:
    about, text = "plugin", folder.versions.get(PLUGIN_PACKAGE, "")
    if not text:
        yield _error(about, f"{PLUGIN_PACKAGE} is not a dependency", f"npm install {PLUGIN_PACKAGE}")
        return
    version = parse_version(text) or coerce_native(text.lstrip("^~>=v "))
    if parse_version(text) is None:
        yield _warning(about, f"{text!r} is a range, not a release", "install, so that the lock file names the release")
    if version is None:
        return
    number = f"{version.major}.{version.minor}.{version.patch}"
    if number in MISTAKES:
        yield _error(about, f"{number} was published by mistake with the code of 5.x", "install the latest 8.x")
    elif version.major < OLDEST_SUPPORTED_MAJOR:
        yield _error(
            about,
            f"{number} is older than any release that a node serves",
            "install the major version of your Capacitor",
        )
    elif is_unknown_release(Platform.ANDROID, number):
        yield _warning(
            about, f"{number} is newer than this `edge` knows, so it is treated as the newest known", "update edge"
        )
    elif parse_version(text) is not None:
        yield _ok(about, f"{number}, {_downloads(number)}")
    yield from _capacitor_version(folder, version)


def _downloads(number: str) -> str:
    whole = [each.value for each in (Platform.ANDROID, Platform.IOS) if download_form(each, number) is DownloadForm.ZIP]
    if not whole:
        return "downloads only the files that changed"
    return f"downloads whole zips on {' and '.join(whole)}; newer releases download only what changed"


def _capacitor_version(folder: AppFolder, plugin: Version) -> Iterator[AppFinding]:
    core = coerce_native(folder.versions.get(CORE_PACKAGE, "").lstrip("^~>=v "))
    if core is not None and core.major != plugin.major:
        yield _warning(
            "plugin",
            f"{PLUGIN_PACKAGE} {plugin.major}.x with {CORE_PACKAGE} {core.major}.x",
            f"install {PLUGIN_PACKAGE}@{core.major}, which matches it",
        )


def _addresses(folder: AppFolder) -> Iterator[AppFinding]:
    assert folder.config is not None
    settings = folder.config.plugin
    bases: dict[str, tuple[str, str]] = {}
    for name, path in _ADDRESSES.items():
        if folder.config.is_unread("plugins", "CapacitorUpdater", name):
            continue  # reported already
        value = settings.get(name)
        if value is None:
            level = Level.ERROR if name == "updateUrl" else Level.WARNING
            says = "is not set: devices use the hosted service, not your node"
            yield AppFinding(level, name, says, f'"{name}": "https://<your node>{path}"')
        elif value == "" and name == "statsUrl":
            yield _warning(name, "is empty: the node receives no failure reports", "set it, unless that is intended")
        else:
            parts, finding = _address(name, value, path)
            yield finding
            bases |= {name: (parts.scheme, parts.netloc)} if parts else {}
    if len(set(bases.values())) > 1:
        told = ", ".join(f"{name} {scheme}://{host}" for name, (scheme, host) in bases.items())
        yield _warning("addresses", f"point to several hosts: {told}", "use one address: a node answers all three")


def _address(name: str, value: Any, path: str) -> tuple[SplitResult | None, AppFinding]:
    parts = _split(value)
    if parts is None:
        return None, _error(name, f"{value!r} is not an http(s) address", f"https://<your node>{path}")
    if parts.path.rstrip("/") != path and not parts.path.endswith(path):
        return parts, _error(name, f"{value} does not end in {path}", f"{parts.scheme}://{parts.netloc}{path}")
    if parts.scheme == "https":
        return parts, _ok(name, value)
    if _is_private(parts.hostname or ""):
        return parts, _warning(
            name, f"{value} has no TLS", "for development only: phones refuse plain http unless the build allows it"
        )
    return parts, _error(name, f"{value} has no TLS: the network can change what devices install", "use https")


def _split(value: Any) -> SplitResult | None:
    try:
        parts = urlsplit(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return parts if parts and parts.scheme in ("http", "https") and parts.hostname else None


def _is_private(host: str) -> bool:
    try:
        return ip_address(host).is_private
    except ValueError:
        return host == "localhost" or host.endswith((".local", ".test", ".localhost"))


def _live_reload(folder: AppFolder) -> Iterator[AppFinding]:
    assert folder.config is not None
    server = folder.config.settings.get("server")
    url = server.get("url") if isinstance(server, dict) else None
    if url:
        yield _error(
            "server.url", f"is {url}: the plugin turns updates off (blocked_by_server_url)", "remove it from the build"
        )


def _settings(folder: AppFolder) -> Iterator[AppFinding]:
    assert folder.config is not None
    settings = folder.config.plugin
    mode = settings.get("autoUpdate", True)
    if mode in (False, "off"):
        yield _warning(
            "autoUpdate", "is off: devices check only when your code does", 'set it to true, or "atBackground"'
        )
    elif mode not in _MODES:
        yield _warning(
            "autoUpdate",
            f"{mode!r} is not a mode; the plugin uses atBackground",
            f"use one of {', '.join(map(str, _MODES[2:]))}",
        )
    if settings.get("directUpdate"):
        yield _warning("directUpdate", "is deprecated", 'use "autoUpdate": "atInstall", "onLaunch" or "always"')
    timeout = settings.get("appReadyTimeout", 10_000)
    if not isinstance(timeout, int) or timeout < READY_TIMEOUT_LEAST_MS:
        remedy = "set milliseconds; the plugin's default is 10000"
        yield _error(
            "appReadyTimeout", f"{timeout!r} is below {READY_TIMEOUT_LEAST_MS}: bundles are rolled back", remedy
        )
    elif timeout < READY_TIMEOUT_LOW_MS:
        yield _warning("appReadyTimeout", f"{timeout} ms is short for an old phone", "the plugin's default is 10000")
    period = settings.get("periodCheckDelay", 0)
    if isinstance(period, int) and 0 < period < PERIOD_LEAST_SECONDS:
        yield _warning(
            "periodCheckDelay",
            f"the plugin raises {period} s to {PERIOD_LEAST_SECONDS} s",
            f"set {PERIOD_LEAST_SECONDS}",
        )
    native = settings.get("version")
    if isinstance(native, str) and native and coerce_native(native) is None:
        yield _warning(
            "version", f"{native!r} is not a version, so rules on native versions ignore it", "set one like 1.2.3"
        )


def _key(folder: AppFolder) -> Iterator[AppFinding]:
    assert folder.config is not None
    settings, about = folder.config.plugin, "publicKey"
    if settings.get("privateKey"):
        yield _error(
            "privateKey", "is in the app, so everyone has it", "remove it, and make new keys: edge keys create"
        )
    if folder.config.is_unread("plugins", "CapacitorUpdater", about):
        return
    key, file = settings.get(about), folder.key_file
    if not key and file is None:
        return
    if not key:
        yield _warning(about, f"is not set, although {file} exists", "set it to that file's text, or do not encrypt")
    elif "BEGIN RSA PUBLIC KEY" not in str(key):
        yield _error(
            about,
            "is not a PKCS#1 public key: the app can read no update",
            "use the key that `edge keys create` printed",
        )
    elif file is None:
        yield _ok(about, "is set; not compared, because no key file was found (--key FILE)")
    elif not same_key(str(key), folder.key):
        yield _error(about, f"is not the key in {file}: the app can read no update", "set it to that file's text")
    else:
        yield _ok(about, f"is the key in {file}")


def _names(folder: AppFolder) -> Iterator[AppFinding]:
    assert folder.config is not None
    app = folder.config.plugin.get("appId") or folder.config.text("appId")
    if folder.app_file is None:
        yield _warning("edge.json", "does not exist", "run edge init")
    elif app and app != folder.app_file.app:
        yield _error(
            "edge.json", f"publishes {folder.app_file.app}, but devices ask for {app}", "use the same id in both"
        )
    channel = folder.config.plugin.get("defaultChannel")
    if channel and folder.app_file and channel not in folder.app_file.channels.values():
        yield _warning(
            "defaultChannel", f"no branch is published to channel {channel!r}", 'add it to "channels" in edge.json'
        )


def _ready(folder: AppFolder) -> Iterator[AppFinding]:
    about = "notifyAppReady"
    if folder.calls_ready:
        yield _ok(about, "is called")
    elif not folder.web_is_there:
        yield _error(
            about, f"was not found in the sources here, and {folder.web} is not built", "build the app and check again"
        )
    else:
        yield _error(
            about,
            "is never called: every update is rolled back",
            "call CapacitorUpdater.notifyAppReady() when the app starts",
        )


def _policy(folder: AppFolder) -> Iterator[AppFinding]:
    for policy in folder.policies:
        sources = _script_sources(policy)
        if sources is None or _allows_own(sources):
            yield _ok("CSP", "allows the app's own scripts")
        else:
            yield _error(
                "CSP", f"script-src {' '.join(sources)} blocks the app's own scripts", "add 'self' to script-src"
            )


def _script_sources(policy: str) -> list[str] | None:
    """The sources of `script-src-elem`, else `script-src`, else `default-src`. None: any script may run."""
    directives: dict[str, list[str]] = {}
    for part in policy.split(";"):
        words = part.split()
        if words:
            directives.setdefault(words[0].lower(), words[1:])  # CSP3 2.2.1: the first of a name counts
    return next(
        (directives[name] for name in ("script-src-elem", "script-src", "default-src") if name in directives), None
    )


def _allows_own(sources: list[str]) -> bool:
    """`'self'` is the web view's own origin on both platforms; hashes and nonces allow single scripts."""
    given = {source.lower().rstrip("/") for source in sources}
    if given & {"'self'", "*", "'strict-dynamic'"} or any(each.startswith(("'sha", "'nonce-")) for each in given):
        return True
    return all(origin in given or f"{origin.split(':')[0]}:" in given for origin in _OWN_ORIGINS)
