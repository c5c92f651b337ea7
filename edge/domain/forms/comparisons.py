"""What the bundles that an app's channels lead to have in common with earlier ones, kept from build to build, and the
form that each goes in as a result.

A bundle is compared with those published before it, so that no later publish changes its form. Bounded: `EARLIER_LIMIT`
versions of each bundle, and `PAIRS_LIMIT` pairs: bundles of public channels come first, then those published first.

An app with 50 versions of 300 files takes 60 kB for the files and 15 kB for each bundle that its channels lead to, and
never more than 0.6 MB for the pairs.
"""

from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import zstandard

from edge.domain.forms.choice import Compared, FormTerms, choose_forms, compare
from edge.domain.forms.link_model import Difference
from edge.domain.forms.manifest_forms import ChosenForms
from edge.domain.forms.reuse import ManifestPrints
from edge.domain.model import AppState, Bundle, Digest, VersionName
from edge.domain.plugin import Prefer

EARLIER_LIMIT = 50  # versions that a bundle is compared with: the latest published before it
PAIRS_LIMIT = 2_000  # of a bundle and an earlier version, in one app

Read = Callable[[Digest], bytes | None]  # a manifest; None: it cannot be read
FormsOf = Callable[[Bundle, Prefer | None], ChosenForms | None]  # None: files, where they can be sent


def files_always(bundle: Bundle, prefer: Prefer | None) -> None:
    """The forms of an app that was compared with nothing."""


@dataclass(frozen=True, slots=True)
class Comparisons:
    """`earlier` has, of each bundle that a channel leads to, the manifests of versions before it; `prints` the files of
    those; `differences` what each such bundle adds to each of them. A manifest that cannot be read is in neither."""

    earlier: Mapping[VersionName, Mapping[VersionName, Digest]]
    prints: Mapping[Digest, "array[int]"]
    differences: Mapping[Digest, Mapping[Digest, Difference]]
    whole: Mapping[Digest, Difference]  # for a device that has nothing of the bundle

    def forms_of(self, terms: FormTerms) -> FormsOf:
        """For channels: the forms of a bundle, with a channel's own preference. Each is made once."""
        made: dict[tuple[VersionName, Prefer], ChosenForms | None] = {}

        def forms_of(bundle: Bundle, prefer: Prefer | None) -> ChosenForms | None:
            key = bundle.version, prefer or terms.prefer
            if key not in made:
                made[key] = self._choose(bundle, key[1], terms)
            return made[key]

        return forms_of

    def _choose(self, bundle: Bundle, prefer: Prefer, terms: FormTerms) -> ChosenForms | None:
        whole = self.whole.get(bundle.manifest) if bundle.manifest is not None else None
        if whole is None or bundle.manifest is None or prefer is Prefer.MANIFEST:
            return None
        found = self.differences[bundle.manifest]
        known: dict[str, Difference] = {
            version: found[manifest]
            for version, manifest in self.earlier.get(bundle.version, {}).items()
            if manifest in found
        }
        return choose_forms(bundle, prefer, terms.links, known, whole)

    def compared(
        self, bundle: Bundle, version: str, native: str, prefer: Prefer | None, terms: FormTerms
    ) -> Compared | None:
        """Both forms of a bundle for devices that run `version`; None if they were not compared. `native` as in
        `ChosenForms.is_zip`."""
        whole = self.whole.get(bundle.manifest) if bundle.manifest is not None else None
        if whole is None or bundle.manifest is None:
            return None
        earlier = self.earlier.get(bundle.version, {})
        manifest = earlier.get(VersionName(version)) if version != native else None
        found = self.differences[bundle.manifest].get(manifest) if manifest is not None else None
        return compare(bundle, prefer or terms.prefer, terms.links, found or whole)


NOTHING_COMPARED = Comparisons({}, {}, {}, {})


def compare_manifests(state: AppState, packed: Mapping[Digest, bytes], read: Read, known: Comparisons) -> Comparisons:
    """`packed` are manifests of the previous build, `known` are its comparisons: only what is new is read."""
    earlier = _earlier(state)
    leading: dict[Digest, set[Digest]] = {}
    for version, before_it in earlier.items():
        if (own := state.bundles[version].manifest) is not None:
            leading.setdefault(own, set()).update(before_it.values())
    prints: dict[Digest, array[int]] = {}
    for manifest in set[Digest]().union(*leading.values()):
        found = known.prints.get(manifest) or _prints(read(manifest))
        if found is not None:
            prints[manifest] = found
    differences: dict[Digest, Mapping[Digest, Difference]] = {}
    whole: dict[Digest, Difference] = {}
    for manifest, others in leading.items():
        before, wanted = known.differences.get(manifest, {}), prints.keys() & others
        kept = {each: before[each] for each in wanted if each in before}
        if manifest in known.whole and len(kept) == len(wanted):
            differences[manifest], whole[manifest] = kept, known.whole[manifest]
        elif (document := _document(manifest, packed, read)) is not None:
            listed = ManifestPrints.of(document)
            new = {each: listed.without(frozenset(prints[each])) for each in wanted - kept.keys()}
            differences[manifest], whole[manifest] = kept | new, listed.without(())
    return Comparisons(earlier, prints, differences, whole)


def _leading(state: AppState) -> dict[VersionName, bool]:
    """The bundles that devices are led to, apart from the ways back of single ones, and whether by a public channel."""
    found: dict[VersionName, bool] = {}
    for channel in state.channels.values():
        versions = [channel.bundle, channel.rollout.bundle if channel.rollout else None]
        versions += [arm.bundle for arm in channel.experiment.arms] if channel.experiment else []
        for each in versions:
            if each is not None and each in state.bundles:
                version = VersionName(each)
                found[version] = channel.public or found.get(version, False)
    return found


def _earlier(state: AppState) -> dict[VersionName, dict[VersionName, Digest]]:
    """Of each leading bundle the latest ones before it; none for those beyond the bound of pairs."""
    public = _leading(state)
    ordered = sorted(
        (bundle for bundle in state.bundles.values() if bundle.manifest is not None),
        key=lambda bundle: (bundle.published, bundle.version),
    )
    places = [number for number, bundle in enumerate(ordered) if bundle.version in public]
    places.sort(key=lambda number: (not public[ordered[number].version], number))
    compared = PAIRS_LIMIT // EARLIER_LIMIT
    return {
        ordered[number].version: {
            bundle.version: bundle.manifest
            for bundle in ordered[max(0, number - EARLIER_LIMIT) : number if place < compared else 0]
            if bundle.manifest is not None
        }
        for place, number in enumerate(places)
    }


def _prints(document: bytes | None) -> "array[int] | None":
    return None if document is None else ManifestPrints.of(document).prints


def _document(manifest: Digest, packed: Mapping[Digest, bytes], read: Read) -> bytes | None:
    held = packed.get(manifest)
    return read(manifest) if held is None else zstandard.decompress(held)
