"""Which form a bundle goes in, for each version that a device may run: fixed, the same on all workers, and pure.

A choice is made with the link as it was known when the bundle was published, and then revised with each later one, but
only for a gain of a quarter: a choice that changes loses what devices have downloaded in part. So it follows from the
bundle and the node's list of links alone, and survives a restart with that list.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from edge.domain.forms.link_model import USUAL_LINK, Costs, Difference, LinkSpeed, files_costs, zip_costs
from edge.domain.forms.manifest_forms import ChosenForms
from edge.domain.model import Bundle
from edge.domain.plugin import Prefer

# iOS ends any transfer after 25 s and resumes none (PROTOCOL.md §5.3): at 1 Mbit/s that is 3 MB.
IOS_ZIP_LIMIT_BYTES = 3_000_000
CLEARLY = 0.9  # a zip takes at most this share of the files' time, or they are sent: they resume, one by one
REVISED = 0.75  # and the other form at most this share of the chosen one's, or the choice stays
LINKS_LIMIT = 32  # that are kept: one a day at most, and only those that differ


class LinkSince(NamedTuple):
    """The link as the node knew it from a moment on, in seconds since the epoch."""

    since: float
    link: LinkSpeed


class FormTerms(NamedTuple):
    """What a node's choices follow from: what it prefers, and its links, oldest first; at least one."""

    prefer: Prefer = Prefer.FASTEST
    links: tuple[LinkSince, ...] = (LinkSince(0.0, USUAL_LINK),)


FILES_ALWAYS = FormTerms(Prefer.MANIFEST)


class Compared(NamedTuple):
    """Both forms for devices of one earlier version, and whether the zip is sent. `links` is how many decided."""

    difference: Difference
    zip: Costs
    files: Costs
    is_zip: bool
    links: int


def choose_forms(
    bundle: Bundle, prefer: Prefer, links: Sequence[LinkSince], known: Mapping[str, Difference], whole: Difference
) -> ChosenForms:
    """`known` has the difference of each earlier version; `whole` is of any other, of which nothing is reused."""
    return ChosenForms(
        known=frozenset(known),
        zips=frozenset(version for version, each in known.items() if compare(bundle, prefer, links, each).is_zip),
        others=compare(bundle, prefer, links, whole).is_zip,
        on_ios=bundle.zip_bytes <= IOS_ZIP_LIMIT_BYTES,
    )


def compare(bundle: Bundle, prefer: Prefer, links: Sequence[LinkSince], difference: Difference) -> Compared:
    """The costs are those over the latest link."""
    used = in_force(links, bundle.published)
    costs = [(zip_costs(bundle.zip_bytes, link), files_costs(difference, bundle.files, link)) for _, link in used]
    zipped, files = costs[-1]
    match prefer:
        case Prefer.FASTEST:
            is_zip = is_zip_faster([(one.seconds, other.seconds) for one, other in costs])
        case Prefer.FEWEST_BYTES:
            is_zip = zipped.bytes < files.bytes
        case Prefer.MANIFEST:
            is_zip = False
        case Prefer.ZIP:
            is_zip = True
    return Compared(difference, zipped, files, is_zip, len(used))


def in_force(links: Sequence[LinkSince], published: float) -> Sequence[LinkSince]:
    """The link that was known when the bundle was published, or the oldest one, and all later ones."""
    older = sum(each.since <= published for each in links)
    return links[max(0, older - 1) :]


def is_zip_faster(seconds: Sequence[tuple[float, float]]) -> bool:
    """The choice after each revision; pairs are of the zip and of the files, over one link each, oldest first."""
    (zip_first, files_first), *later = seconds
    is_zip = zip_first <= CLEARLY * files_first
    for zipped, files in later:
        chosen, other = (zipped, files) if is_zip else (files, zipped)
        if other <= REVISED * chosen:
            is_zip = not is_zip
    return is_zip
