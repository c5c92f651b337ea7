"""What the memory of questions keeps: bounded, and a flood of made-up questions takes no place of a fleet's."""

from random import Random

from factories import APP, DEVICE
from test_template import body_of

from edge.node.service.checks.known_questions import ODD_LIMIT, PERIOD_SECONDS, SEEN_LIMIT, QuestionMemory
from edge.node.service.checks.member_order import form_of_members
from edge.node.service.checks.template import cut_ids

BASE = "https://updates.example.com"
LIMIT = 64


def key_of(number: int, base: str = BASE, country: str = ""):
    template, _, _ = cut_ids(body_of(device_id=DEVICE, version_name=f"1.0.{number}"))
    return template, base, country


def held(memory, key):
    template, *rest = key
    return memory.get((form_of_members(template), *rest)) or memory.get(key)


def ask(memory, key, now=0.0):
    """Whether it was known."""
    question = held(memory, key)
    if question is None:
        memory.note(key, {APP}, now)
        return False
    question.asked += 1
    return True


def test_a_question_is_known_once_it_was_asked_twice():
    memory = QuestionMemory()
    assert [ask(memory, key_of(1)) for _ in range(4)] == [False, False, True, True]
    assert held(memory, key_of(1)).check.version_name == "1.0.1"


def test_the_address_and_the_country_are_part_of_the_question():
    memory = QuestionMemory()
    for country in ("", "DE", "", "DE"):
        ask(memory, key_of(1, country=country))
    assert held(memory, key_of(1, country="DE")).check.country == "DE"
    assert held(memory, key_of(1)).check.country == ""
    assert held(memory, key_of(1, base="https://other.example.com")) is None


def test_what_has_no_meaning_is_never_kept():
    memory = QuestionMemory()
    key = (b'{"device_id":""}', BASE, "")
    assert not any(ask(memory, key) for _ in range(4))
    assert len(memory) == 0


class Asked:
    """The apps, and how often a body was parsed for one: once for each of the trials."""

    def __init__(self):
        self.times = 0

    def __contains__(self, app):
        self.times += 1
        return app == APP


def odd_key(number):
    """Of two ids the last counts, so what the body means does not follow the one that is cut out."""
    template, *rest = key_of(number)
    return template[:-1] + b',"device_id":"%s"}' % DEVICE.encode(), *rest


def test_what_is_not_understood_is_worked_out_once():
    memory, apps = QuestionMemory(LIMIT), Asked()
    memory.note(odd_key(1), apps, 0.0)
    assert apps.times == 0 and not memory.is_odd(odd_key(1))
    memory.note(odd_key(1), apps, 0.0)
    worked_out = apps.times
    assert worked_out > 0 and memory.is_odd(odd_key(1)) and len(memory) == 0
    for _ in range(100):
        memory.note(odd_key(1), apps, 0.0)
    assert apps.times == worked_out


def test_a_question_that_has_any_order_and_no_meaning_is_worked_out_once():
    template, *rest = key_of(1)
    key = template.replace(b'"custom_id":""', b'"note":{"custom_id":""}'), *rest
    memory, apps = QuestionMemory(LIMIT), Asked()
    for number in range(100):
        memory.note(in_order(number, key), apps, 0.0)
        if number == 1:
            worked_out = apps.times
    assert apps.times == worked_out > 0 and len(memory) == 0
    assert memory.is_odd(in_order(1, key)) and len(memory._odd) == 2  # all orders, and the one that was tried


def test_what_is_not_understood_is_kept_within_a_limit_and_keeps_nothing_else_out():
    memory = QuestionMemory(LIMIT)
    for number in range(ODD_LIMIT + 10):
        for _ in range(2):
            memory.note(odd_key(number), {APP}, 0.0)
    assert 0 < len(memory._odd) <= ODD_LIMIT
    assert [ask(memory, key_of(1)) for _ in range(3)] == [False, False, True]


def test_at_most_half_is_forgotten_and_of_ties_the_older_stay():
    memory, keys = QuestionMemory(LIMIT), [key_of(number) for number in range(LIMIT)]
    for key in keys:
        for _ in range(4):
            ask(memory, key)
    for _ in range(2):
        ask(memory, key_of(LIMIT), PERIOD_SECONDS)
    kept = [held(memory, key) is not None for key in keys]
    assert kept == [True] * (LIMIT // 2) + [False] * (LIMIT // 2)
    assert held(memory, key_of(LIMIT)) is not None


def test_the_smallest_memory_makes_room_too():
    memory = QuestionMemory(1)
    for number in range(3):
        for _ in range(2):
            ask(memory, key_of(number), number * PERIOD_SECONDS * 2)
        assert len(memory) == 1 and held(memory, key_of(number)) is not None


def test_a_flood_takes_no_place_of_a_question_that_is_asked_more_often():
    """A fleet of 20 questions, each asked 5 times a period; a stranger makes up 1,000 in each and asks each 3 times."""
    memory, fleet = QuestionMemory(LIMIT), [key_of(number) for number in range(20)]
    for key in fleet:
        for _ in range(3):
            ask(memory, key)
    missed, made_up = 0, 1_000
    for period in range(5):
        for number in range(1_000):
            made_up += 1
            for _ in range(3):
                ask(memory, key_of(made_up), period * PERIOD_SECONDS + number / 200)
            if number % 200 == 0:
                missed += sum(not ask(memory, key, period * PERIOD_SECONDS) for key in fleet)
    assert missed == 0
    assert len(memory) <= LIMIT


def test_what_a_fleet_asks_after_a_publish_finds_room_among_the_made_up():
    memory = QuestionMemory(LIMIT)
    for number in range(LIMIT):
        for _ in range(3):
            ask(memory, key_of(1_000 + number), PERIOD_SECONDS)
    new = key_of(1)
    known = [ask(memory, new, PERIOD_SECONDS * turn / 10) for turn in range(10, 30)]
    assert known[-1] and len(memory) <= LIMIT


def test_a_question_that_was_asked_once_takes_no_room():
    memory = QuestionMemory(LIMIT)
    for number in range(500):
        ask(memory, key_of(number))
    assert len(memory) == 0 and len(memory._seen) == 500 <= SEEN_LIMIT


def in_order(number, key):
    template, *rest = key
    pieces = template[2:-1].split(b',"')
    Random(number).shuffle(pieces)
    return b'{"' + b',"'.join(pieces) + b"}", *rest


def test_all_orders_of_a_question_take_one_place():
    memory, key = QuestionMemory(LIMIT), key_of(1)
    assert [ask(memory, in_order(number, key)) for number in range(500)] == [False, False] + [True] * 498
    assert len(memory) == 1 and held(memory, key).asked == 499


def test_a_flood_of_orders_that_mean_something_else_takes_no_place_of_a_fleets():
    """Of two members with one name the last counts, so each order has a place of its own once it is asked twice."""
    memory, key = QuestionMemory(LIMIT), key_of(1)
    template, *rest = key
    twice = template[:-1] + b',"version_name":"1.0.2"}', *rest
    known = []
    for number in range(500):
        known.append(ask(memory, in_order(number, key), number))
        for _ in range(3):
            ask(memory, in_order(number, twice), number)
    assert known == [False, False] + [True] * 498
    assert LIMIT / 2 < len(memory) <= LIMIT
