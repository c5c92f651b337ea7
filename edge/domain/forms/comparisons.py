"""What the bundles that an app's channels lead to have in common with earlier ones, kept from build to build, and the
form that each goes in as a result.

Bounded: `EARLIER_LIMIT` versions and `PAIRS_LIMIT` pairs. An app with 50 versions of 300 files takes 60 kB for the
files and 15 kB for each bundle that its channels lead to, and never more than 0.6 MB for the pairs.
"""

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import zstandard

from edge.domain.forms.choice import Compared, FormTerms, choose_forms, compare
from edge.domain.forms.link_model import Difference
from edge.domain.forms.reuse import ManifestPrints
from edge.domain.manifest_forms import ChosenForms
from edge.domain.model import AppState, Bundle, Digest, VersionName
from edge.domain.plugin import Prefer

EARLIER_LIMIT = 50  # versions that devices may run, the latest; what channels offered before is among them
PAIRS_LIMIT = 2_000  # of a bundle and an earlier version, in one app

Read = Callable[[Digest], bytes | None]  # a manifest; None: it cannot be read
FormsOf = Callable[[Bundle, Prefer | None], ChosenForms | None]  # None: files, where they can be sent


def files_always(bundle: Bundle, prefer: Prefer | None) -> None:
    """The forms of an app that was compared with nothing."""


@dataclass(frozen=True, slots=True)
class Comparisons:
    """`earlier` has the manifests of versions, `prints` their files, `differences` what each bundle that a channel
    leads to adds to each of them; those of two manifests are None if one of them cannot be read."""

    earlier: Mapping[VersionName, Digest]
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
            version: found[manifest] for version, manifest in self.earlier.items() if manifest in found
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
        manifest = self.earlier.get(VersionName(version)) if version != native else None
        found = self.differences[bundle.manifest].get(manifest) if manifest is not None else None
        return compare(bundle, prefer or terms.prefer, terms.links, found or whole)


NOTHING_COMPARED = Comparisons({}, {}, {}, {})


def compare_manifests(state: AppState, packed: Mapping[Digest, bytes], read: Read, known: Comparisons) -> Comparisons:
    """`packed` are manifests of the previous build, `known` are its comparisons: only what is new is read."""
    leading = {bundle.manifest: bundle for bundle in _leading(state) if bundle.manifest is not None}
    earlier = _earlier(state, max(1, min(EARLIER_LIMIT, PAIRS_LIMIT // max(1, len(leading)))))
    prints: dict[Digest, array[int]] = {}
    for manifest in set(earlier.values()) if leading else ():
        found = known.prints.get(manifest) or _prints(read(manifest))
        if found is not None:
            prints[manifest] = found
    differences: dict[Digest, Mapping[Digest, Difference]] = {}
    whole: dict[Digest, Difference] = {}
    for manifest in leading:
        before, wanted = known.differences.get(manifest, {}), prints.keys()
        kept = {each: before[each] for each in wanted if each in before}
        if manifest in known.whole and len(kept) == len(wanted):
            differences[manifest], whole[manifest] = kept, known.whole[manifest]
        elif (document := _document(manifest, packed, read)) is not None:
            listed = ManifestPrints.of(document)
            new = {each: listed.without(frozenset(prints[each])) for each in wanted - kept.keys()}
            differences[manifest], whole[manifest] = kept | new, listed.without(())
    return Comparisons(earlier if leading else {}, prints, differences, whole)


def _leading(state: AppState) -> Iterator[Bundle]:
    """The bundles that devices are led to, apart from the ways back of single ones."""
    for channel in state.channels.values():
        versions = [channel.bundle, channel.rollout.bundle if channel.rollout else None]
        versions += [arm.bundle for arm in channel.experiment.arms] if channel.experiment else []
        yield from (state.bundles[each] for each in versions if each is not None and each in state.bundles)


def _earlier(state: AppState, limit: int) -> dict[VersionName, Digest]:
    offered = {version for channel in state.channels.values() for version in channel.earlier}
    latest: Iterable[Bundle] = sorted(
        (bundle for bundle in state.bundles.values() if bundle.manifest is not None),
        key=lambda bundle: (bundle.version in offered, bundle.published, bundle.version),
        reverse=True,
    )[:limit]
    return {bundle.version: bundle.manifest for bundle in latest if bundle.manifest is not None}


def _prints(document: bytes | None) -> "array[int] | None":
    return None if document is None else ManifestPrints.of(document).prints


def _document(manifest: Digest, packed: Mapping[Digest, bytes], read: Read) -> bytes | None:
    held = packed.get(manifest)
    return read(manifest) if held is None else zstandard.decompress(held)
