"""Faults of options: each function returns the reason, or "" for none. Pure.

`value_fault` is about values of a wrong type or out of range, the others about those whose type is right. A reason
is for the person who wrote the configuration: what is wrong, and what to write instead.
"""

import importlib.util
import ipaddress
import re
from collections.abc import Sequence
from typing import Any, Literal, get_args, get_origin
from urllib.parse import urlsplit

from edge.domain.errors import Invalid
from edge.domain.targeting.places import parse_location
from edge.store.s3.bucket_place import parse_bucket_url

_HOST = re.compile(r"[A-Za-z0-9.-]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?")
_DATABASE = re.compile(r"/[A-Za-z_][A-Za-z0-9_]{0,63}")
_HEADER_NAME = re.compile(r"[A-Za-z0-9-]{0,64}")
_EVERY_ADDRESS = frozenset({"", "0.0.0.0", "::"})
_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "a string",
    "bool": "true or false",
    "array": "a list",
    "object": "a section",
}
_LIMITS = {"<=": "at most", ">=": "at least", "<": "below", ">": "above"}


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a port bound to `host`; an empty host is every address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def public_url_fault(url: str) -> str:
    """Bundle addresses are made by appending to it, so it has a scheme and a host and neither query nor fragment."""
    if not url:
        return ""
    try:
        parts = urlsplit(url)
        complete = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        complete = False
    if not complete or any(c.isspace() or not c.isprintable() for c in url):
        return f"{url!r} is not an address like https://updates.example.com"
    faults = (
        ("has a user name", "@" in parts.netloc),
        ("has a query", "?" in url),
        ("has a fragment", "#" in url),
        ("ends in a slash", url.endswith("/")),
    )
    found = [words for words, there in faults if there]
    return f"{url!r} {' and '.join(found)}: remove that" if found else ""


def page_url_fault(url: str) -> str:
    """The page's origin as browsers see it: passkeys and the login provider take nothing else."""
    fault = public_url_fault(url)
    if fault or not url:
        return fault
    if urlsplit(url).path or url != url.lower():
        return f"{url!r} has a path or capital letters: write the page's origin, as https://edge.example.com"
    return ""


def issuer_fault(issuer: str) -> str:
    """Of OpenID Connect: what it says of somebody opens the page, so nobody on the way may change it."""
    if not issuer:
        return ""
    try:
        parts = urlsplit(issuer)
        complete = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        complete = False
    if not complete or any(c.isspace() or not c.isprintable() for c in issuer) or "@" in parts.netloc:
        return f"{issuer!r} is not an address like https://login.example.com/realms/company"
    if parts.query or parts.fragment:
        return f"{issuer!r} has a query or a fragment: an issuer has none"
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        return f"{issuer!r} is not https: anybody on the way could sign in as anybody"
    return ""


def client_fault(issuer: str, client_id: str) -> str:
    return "is empty: name the client that the provider knows this node as" if issuer and not client_id else ""


def scopes_fault(scopes: Sequence[str]) -> str:
    if "openid" not in scopes:
        return "is without openid, which makes it OpenID Connect"
    wrong = [each for each in scopes if not each.isascii() or not each.isprintable() or " " in each or '"' in each]
    return f"{wrong[0]!r} is not a scope" if wrong else ""


def hosts_fault(hosts: Sequence[str]) -> str:
    wrong = [host for host in hosts if not _HOST.fullmatch(host)]
    return f"{wrong[0]!r} is not a host like updates.example.com or 192.0.2.1:8080" if wrong else ""


def networks_fault(networks: Sequence[str]) -> str:
    """Each is an address or a network in CIDR notation, and none is the whole internet."""
    for text in networks:
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError:
            return f"{text!r} is not an address or network like 10.0.0.0/8"
        if network.prefixlen == 0:
            return (
                f"{text!r} is every address, so anyone could forge an address or a country: name your proxies' networks"
            )
    return ""


def webhook_networks_fault(networks: Sequence[str]) -> str:
    """Each is an address or a network in CIDR notation, and none is the whole internet."""
    for text in networks:
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError:
            return f"{text!r} is not an address or network like 10.0.0.0/8"
        if network.prefixlen == 0:
            return f"{text!r} is every address, so a webhook could reach this machine's own ports: name your receivers'"
    return ""


def provider_fault(url: str) -> str:
    """Of a push provider: tokens are sent there."""
    if not url:
        return "is empty: leave it out for the provider's own address"
    if fault := public_url_fault(url):
        return fault
    parts = urlsplit(url)
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        return f"{url!r} would send credentials unencrypted to another machine: use https"
    return ""


def push_hosts_fault(hosts: Sequence[str]) -> str:
    """`host` or `host:port`, reached by https; with `http://` before it, without."""
    wrong = [host for host in hosts if not _HOST.fullmatch(host.removeprefix("http://"))]
    return (
        f"{wrong[0]!r} is not a host like push.example.com, push.example.com:8443 or http://localhost:9000"
        if wrong
        else ""
    )


def location_fault(location: str) -> str:
    try:
        parse_location(location)
    except Invalid as error:
        return error.message
    return ""


def country_fault(header: str, proxies: Sequence[str]) -> str:
    if not _HEADER_NAME.fullmatch(header):
        return f"{header!r} is not a header name like CF-IPCountry"
    if header and not proxies:
        return f"{header!r} is only believed from a proxy: name yours in devices.trusted_proxies"
    return ""


def pair_fault(certificate: str, key: str) -> str:
    return "" if bool(certificate) == bool(key) else "tls_certificate and tls_key need each other"


def clickhouse_fault(url: str) -> str:
    """A server's HTTP address and a database of it; no secret, and encrypted beyond this machine. The reason shows none
    of the address, which may have a secret all the same."""
    if not url:
        return ""
    try:
        parts = urlsplit(url)
        complete = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        complete = False
    if not complete or any(c.isspace() or not c.isprintable() for c in url):
        return "is not an address like https://edge@clickhouse.example.com:8443/edge"
    if parts.password is not None:
        return "has a password: put it in a file, telemetry.clickhouse_password_file, or in EDGE_CLICKHOUSE_PASSWORD"
    if not _DATABASE.fullmatch(parts.path):
        return "ends in no database: https://edge@clickhouse.example.com:8443/edge"
    if parts.query or parts.fragment:
        return "has a query or a fragment: remove that"
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        return "sends device keys and a password unencrypted to another machine: use https"
    if importlib.util.find_spec("clickhouse_connect") is None:
        return "needs the package clickhouse-connect: pip install 'edge-updates[clickhouse]'"
    return ""


def bucket_fault(url: str, role: str) -> str:
    if url and role == "region":
        return 'is for nodes that hold the truth: with role = "region", upstream.source names it'
    return address_fault(url) if url else ""


def address_fault(url: str) -> str:
    """Of a bucket."""
    try:
        parse_bucket_url(url)
    except ValueError as error:
        return str(error)
    return ""


def endpoint_fault(endpoint: str) -> str:
    """Of a server that speaks S3: its address alone."""
    if not endpoint:
        return ""
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return f"{endpoint!r} is no address of a server: write https://s3.example.com"
    if parts.username is not None or parts.password is not None:
        return "has a user or a password in it: name a file with the keys in store.credentials_file"
    if parts.path.strip("/") or parts.query or parts.fragment:
        return f"{endpoint!r} has more than a server's address: the bucket and the prefix are in store.url"
    return ""


def source_fault(role: str, source: str, *, insecure: bool) -> str:
    """Another node's control address, or a bucket; a region has one, and it alone."""
    if role != "region":
        return 'is for role = "region": this node holds the truth itself' if source else ""
    if not source:
        return (
            "is empty: a region follows a node, as https://origin.example.com:8081, or a bucket, as s3://bucket/prefix"
        )
    if source.startswith("file://"):
        return "" if source.startswith("file:///") else f"{source!r} names no absolute path, as file:///srv/store does"
    if source.startswith("s3://"):
        return address_fault(source)
    return _node_fault(source, insecure)


def home_fault(home: str, *, insecure: bool) -> str:
    return _node_fault(home, insecure) if home else ""


def token_fault(role: str, source: str, home: str, token_file: str) -> str:
    """Whoever asks another node needs a token."""
    follows_node = role == "region" and not source.startswith(("s3://", "file://"))
    asks = bool(home) or follows_node
    if not asks or token_file:
        return ""
    return "is empty: name the file with this node's token, from `edge token create --role node`"


def nats_fault(url: str, *, insecure: bool) -> str:
    """A server's address, without what is secret."""
    if not url:
        return ""
    parts = urlsplit(url)
    if parts.scheme not in ("nats", "tls") or not parts.hostname or parts.path.strip("/") or parts.query:
        return f"{url!r} is no address of a NATS server: write tls://nats.example.com:4222"
    if parts.username is not None or parts.password is not None:
        return "has a user or a password in it: name a file with them in upstream.nats_credentials_file"
    if parts.scheme == "nats" and not is_loopback(parts.hostname) and not insecure:
        return f"{url!r} would cross the network unencrypted: use tls://, or upstream.insecure = true"
    if importlib.util.find_spec("nats") is None:
        return "needs the package nats-py: pip install 'edge-updates[nats]'"
    return ""


def _node_fault(url: str, insecure: bool) -> str:
    if fault := public_url_fault(url):
        return fault.replace("updates.example.com", "origin.example.com:8081")
    parts = urlsplit(url)
    if parts.scheme == "http" and not is_loopback(parts.hostname or "") and not insecure:
        return f"{url!r} would send the token unencrypted to another machine: use https, or upstream.insecure = true"
    return ""


def clickhouse_needs(url: str, wanted: object) -> str:
    return "needs telemetry.clickhouse" if wanted and not url else ""


def control_fault(host: str, tls: bool, insecure: bool) -> str:
    if is_loopback(host) or tls or insecure:
        return ""
    return (
        f"{host!r} is reachable from other machines, so tokens would cross the network unencrypted: "
        "set tls_certificate and tls_key, or insecure = true"
    )


def ports_fault(devices_host: str, devices_port: int, control_host: str, control_port: int) -> str:
    """Two ports may be equal only on addresses that do not overlap; 0 picks a free one."""
    overlap = devices_host == control_host or bool({devices_host, control_host} & _EVERY_ADDRESS)
    if devices_port != control_port or not devices_port or not overlap:
        return ""
    return f"{control_port} is also devices.port: give each its own port"


def value_fault(text: str, wanted: Any) -> str:
    """msgspec's message for one value in plain words, with the choices if the option has some."""
    if text.startswith("Invalid enum value ") and get_origin(wanted) is Literal:
        return f"{text.removeprefix('Invalid enum value ')} is not one of {', '.join(get_args(wanted))}"
    if kinds := re.match(r"Expected `(\w+)`, got `(\w+)`", text):
        return f"must be {_KINDS.get(kinds[1], kinds[1])}, not {_KINDS.get(kinds[2], kinds[2])}"
    if limit := re.match(r"Expected `\w+` (<=|>=|<|>) (\S+)", text):
        return f"must be {_LIMITS[limit[1]]} {limit[2]}"
    return f"{text[0].lower()}{text[1:]}"
