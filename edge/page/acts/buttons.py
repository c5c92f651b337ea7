"""What the `act` macro shows: one act, offered, not now (and why), or not for this role."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ActButton:
    """`href` is the confirmation's address. `refused` says why not now, "" if it may be done; `foreign` says which role
    may, "" if this one does. `apart`: it takes something away, so it stands at the far end."""

    id: str
    name: str
    verb: str
    href: str
    danger: bool = False
    apart: bool = False
    refused: str = ""
    foreign: str = ""
