"""The mix is drawn as its shares say, and covers what devices do differently."""

import random
from collections import Counter

import pytest

from edge.domain.errors import EdgeError
from edge.domain.model import Platform
from edge.domain.plugin import Sent
from edge.wire.plugins.forms import Generation, ZipEnd, form_of, plugin_of
from loadtests.mix import load_mix, parse_mix

ROW = '[[device]]\nplatform = "{}"\nrelease = "{}"\nshare = {}\n'


def forms(mix):
    return [form_of(share.profile.platform, share.profile.plugin_version) for share in mix.shares]


def test_every_generation_and_every_way_to_download_is_in_it():
    found = forms(load_mix())
    assert {form.generation for form in found} == set(Generation) - {Generation.ELECTRON}  # no phone runs that package
    plugins = [plugin_of(share.profile.platform, share.profile.plugin_version) for share in load_mix().shares]
    assert {plugin.manifest.sent for plugin in plugins} == set(Sent)
    assert {form.zip_end for form in found} >= {ZipEnd.EMPTY, ZipEnd.WHOLE}
    assert {share.profile.platform for share in load_mix().shares} == {Platform.ANDROID, Platform.IOS}


def test_draws_follow_the_shares():
    mix = parse_mix(ROW.format("android", "8.51.16", 3) + ROW.format("ios", "8.51.16", 1))
    dice = random.Random(4)
    drawn = Counter(mix.draw(dice).platform for _ in range(4000))
    assert drawn[Platform.ANDROID] == pytest.approx(3000, abs=150)


@pytest.mark.parametrize("text", ["", ROW.format("android", "8.51.16", 0), ROW.format("windows", "8.51.16", 1)])
def test_a_mix_that_makes_no_sense_is_refused(text):
    with pytest.raises(ValueError):
        parse_mix(text)


def test_a_release_that_is_no_version_is_refused():
    with pytest.raises(EdgeError):
        parse_mix(ROW.format("android", "newest", 1))
