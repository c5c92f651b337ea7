"""The identity that a device sends: the fields of every request, as the release writes them. PROTOCOL.md §1.1,
§1.2."""

from dataclasses import dataclass
from typing import Any

from edge.device.profile import Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """One installation of an app on one device."""

    app: str
    device_id: str  # a UUID, in upper or lower case
    version_build: str = "1.0.0"  # the native version
    version_code: str = "1"
    version_os: str = "14"
    custom_id: str = ""
    default_channel: str = ""
    is_prod: bool = True
    is_emulator: bool = False
    install_source: str = ""


def build_info(profile: Profile, identity: Identity, version_name: str, key_id: str) -> dict[str, Any]:
    """The info object. `version_name` is the running bundle, or the native version on builtin."""
    device_id = identity.device_id.lower() if profile.lowercase_device_id else identity.device_id.upper()
    info: dict[str, Any] = {
        "platform": profile.platform.value,
        "device_id": device_id,
        "app_id": identity.app,
        "custom_id": identity.custom_id,
        "version_build": identity.version_build,
        "version_code": identity.version_code,
        "version_os": identity.version_os,
        "version_name": version_name,
        "plugin_version": profile.plugin_version,
    }
    if profile.sends_environment:
        info |= {"is_emulator": identity.is_emulator, "is_prod": identity.is_prod}
    if profile.sends_default_channel:
        info["defaultChannel"] = identity.default_channel
    # If unknown, Android sends "" and iOS leaves the member out.
    if profile.sends_install_source and (profile.android or identity.install_source):
        info["install_source"] = identity.install_source
    if key_id:
        info["key_id"] = key_id
    return info


def user_agent(profile: Profile, identity: Identity) -> str:
    """The User-Agent of all requests but Android's zip downloads."""
    if not profile.plugin_user_agent:
        return platform_user_agent(profile, identity)
    platform = profile.platform.value
    return f"CapacitorUpdater/{profile.plugin_version} ({identity.app}) {platform}/{identity.version_os}"


def zip_user_agent(profile: Profile, identity: Identity) -> str:
    """On Android that of HttpURLConnection, which fetches zips without the plugin's headers."""
    return platform_user_agent(profile, identity) if profile.android else user_agent(profile, identity)


def platform_user_agent(profile: Profile, identity: Identity) -> str:
    """The HTTP stack's own User-Agent."""
    if profile.android:
        return f"Dalvik/2.1.0 (Linux; U; Android {identity.version_os})"
    return f"{identity.app}/{identity.version_code} CFNetwork Darwin"
