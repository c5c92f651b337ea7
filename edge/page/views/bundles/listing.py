"""The list of bundles in words: state, size, where each is offered. Pure. Versions and reasons are strangers' words."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from markupsafe import Markup

from edge.control.shapes.bundles import BundleUseView, BundleView
from edge.domain.decision.foresight.bundle_uses import BundleUse
from edge.page.words.numbers import UNKNOWN, count, named, size
from edge.page.words.rates import share_text
from edge.page.words.times import moment

PAGE = 100  # bundles on a page
COMPARED = 10  # of the newest on a page, with the one before: each comparison reads two manifests
STATES = {"offered": "Offered", "kept": "Kept", "withdrawn": "Withdrawn"}


class BundleSearch(NamedTuple):
    """Empty: any."""

    find: str = ""
    state: str = ""
    older_than: str = ""

    @property
    def is_set(self) -> bool:
        return bool(self.find or self.state)

    def query(self, first: int) -> dict[str, str]:
        given = {"find": self.find, "state": self.state, "older_than": self.older_than}
        return {"first": str(first)} | {name: value for name, value in given.items() if value}


def table_of(
    app: str,
    bundles: Sequence[BundleView],
    changed: Mapping[str, int],
    running: Mapping[str, int] | None,
    now: float,
    *,
    may: bool,
) -> dict[str, Any]:
    """For the `table` macro. `changed` are bytes from the bundle before, `running` devices by version; None: not
    known. `may`: the visitor may take bundles away."""
    columns = [
        *({"name": name} for name in ("Version", "State")),
        *({"name": name, "num": True} for name in ("Size", "Changed", "Files")),
        *({"name": name} for name in ("Published", "Offered where")),
        {"name": "Run it, 7 days", "num": True},
        *([{"name": "Act"}] if may else []),
    ]
    rows = [{"cells": _cells(app, each, changed, running, now, may=may)} for each in bundles]
    none = {"text": "No bundles yet.", "command": f"edge bundle publish {app} FOLDER --version 1.0.0"}
    return {"columns": columns, "rows": rows, "none": none}


def _cells(
    app: str,
    each: BundleView,
    changed: Mapping[str, int],
    running: Mapping[str, int] | None,
    now: float,
    *,
    may: bool,
) -> list[Any]:
    loads = changed.get(each.version)
    devices = count(running.get(each.version, 0)) if running is not None else UNKNOWN
    return [
        {"text": named(each.version), "bold": True, "of": "encrypted" if each.encrypted else ""},
        {"state": state_of(each)},
        {"text": size(each.zip_bytes), "bold": True},
        size(loads) if loads is not None else "",
        count(each.files) if each.files is not None else {"text": UNKNOWN, "of": "encrypted elsewhere"},
        moment(each.published, now, to_minute=True),
        _where(app, each),
        devices,
        *([_act(app, each)] if may else []),
    ]


def state_of(bundle: BundleView) -> list[str]:
    """[kind, words] for the `state` macro."""
    uses = {each.use for each in bundle.uses}
    if bundle.withdrawn:
        return ["warn", "Withdrawn"]
    if BundleUse.PAUSED in uses:
        return ["bad", "Paused"]
    if BundleUse.ROLLOUT in uses:
        return ["run", "Rolling out"]
    if uses & {BundleUse.ALL, BundleUse.ARM}:
        return ["good", "Offered"]
    return ["idle", "Kept"]


def _where(app: str, bundle: BundleView) -> Markup:
    offering = [each for each in bundle.uses if each.use is not BundleUse.WAY_BACK]
    backs = [named(each.channel) for each in bundle.uses if each.use is BundleUse.WAY_BACK]
    if bundle.withdrawn:
        return _said("never again", named(bundle.withdrawn))
    if not offering:
        return _said("nowhere", f"way back of {', '.join(backs)}" if backs else "")
    return Markup(", ").join(_link(app, each) for each in offering)


def _said(words: str, beside: str) -> Markup:
    below = Markup('<span class="of">{}</span>').format(beside) if beside else Markup()
    return Markup('<span class="muted">{}</span>{}').format(words, below)


def _link(app: str, use: BundleUseView) -> Markup:
    channel = f"/apps/{quote(app, safe='')}/channels/{quote(use.channel, safe='')}"
    if use.use is BundleUse.ARM:
        return Markup('<a href="{}/experiment">{}, arm {}</a>').format(channel, named(use.channel), named(use.arm))
    share = "" if use.use is BundleUse.ALL else f" {share_text(use.share)}"
    return Markup('<a href="{}">{}</a>{}').format(channel, named(use.channel), share)


def _act(app: str, bundle: BundleView) -> Markup | str:
    """Withdraw what is offered; delete what is not."""
    base = f"/apps/{quote(app, safe='')}/bundles/{quote(bundle.version, safe='')}/acts"
    if any(each.use is not BundleUse.WAY_BACK for each in bundle.uses):
        return _button(f"{base}/withdraw", "Withdraw", bundle.version)
    return _button(f"{base}/delete", "Delete", bundle.version)


def _button(href: str, verb: str, version: str) -> Markup:
    label = f"{verb} {named(version)}"
    return Markup('<a class="btn" href="{}" data-act="{}" aria-label="{}">{}…</a>').format(
        href, f"{verb.lower()}-{named(version)}", label, verb
    )


def older_address(path: str, search: BundleSearch, last: str) -> str:
    given = {"find": search.find, "state": search.state, "older_than": last}
    return f"{path}?{urlencode({name: value for name, value in given.items() if value})}"


def lede_of(bundles: int, offered: Sequence[BundleView]) -> str:
    """`offered` are those that a channel needs now."""
    if not bundles:
        return "No bundle yet. A name stands for one content for ever."
    many = f"{count(bundles)} {'bundle' if bundles == 1 else 'bundles'}"
    are = f"{count(len(offered))} {'is' if len(offered) == 1 else 'are'} offered somewhere"
    return f"{many}. {are}; a name stands for one content for ever."
