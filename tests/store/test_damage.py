"""A damage is remembered, logged and counted once, until what is damaged can be served again."""

import logging

from factories import APP

from edge.store.damage import DAMAGES_LIMIT, Damage, Damages


def a_damage(**fields) -> Damage:
    given = {"app": APP, "grain": "bundle", "name": "1.0.1", "effect": "not offered", "cause": "rot", "repair": "mend"}
    return Damage(**given | fields)


def test_the_same_damage_is_logged_and_counted_once_until_it_is_mended(caplog):
    damages = Damages()
    with caplog.at_level(logging.INFO, "edge.damage"):
        damages.note(a_damage())
        damages.note(a_damage(cause="read another way"))
        assert [record.getMessage() for record in caplog.records] == [f"{APP}: bundle 1.0.1: not offered (rot); mend"]
        damages.mend(APP, "bundle", "1.0.1")
        damages.mend(APP, "bundle", "1.0.1")
        damages.note(a_damage())
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO", "ERROR"]
    assert (damages.found, damages.by_grain()) == ({"bundle": 2}, {"bundle": 1})


def test_an_effect_that_changes_is_logged_again(caplog):
    damages = Damages()
    damages.note(a_damage(grain="revision", name="7", effect="devices still get revision 6"))
    damages.note(a_damage(grain="revision", name="7", effect="devices get nothing new"))
    assert len(caplog.records) == 2
    assert damages.by_grain() == {"revision": 1}


def test_what_is_no_longer_found_is_mended_within_its_grains_and_its_app():
    damages = Damages()
    blob, other = a_damage(grain="blob", name="zip"), a_damage(app="com.example.other")
    for damage in (a_damage(), a_damage(name="1.0.2"), blob, other):
        damages.note(damage)
    damages.replace(APP, ("bundle",), [a_damage(name="1.0.2"), a_damage(name="1.0.3")])
    assert {(each.app, each.name) for each in damages} == {
        (APP, "zip"),
        (APP, "1.0.2"),
        (APP, "1.0.3"),
        ("com.example.other", "1.0.1"),
    }
    assert len(damages) == 4


def test_no_disk_makes_it_grow_without_end():
    damages = Damages()
    for number in range(DAMAGES_LIMIT + 5):
        damages.note(a_damage(name=str(number)))
    assert len(damages) == DAMAGES_LIMIT
    damages.mend(APP, "bundle", "0")
    damages.note(a_damage(name="late"))
    assert len(damages) == DAMAGES_LIMIT
