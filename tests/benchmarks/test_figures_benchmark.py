from benchmarks.figures import BATCH, EVENTS_A_DEVICE, QUESTIONS, _measure, observed


def test_a_day_has_its_events_the_same_every_time():
    batches = list(observed(BATCH + EVENTS_A_DEVICE, 0))
    assert [len(batch) for batch in batches] == [BATCH, EVENTS_A_DEVICE]
    assert batches == list(observed(BATCH + EVENTS_A_DEVICE, 0))


def test_every_question_is_asked_of_what_was_added_up(tmp_path):
    seconds, megabytes, *milliseconds = _measure("sqlite", 40 * EVENTS_A_DEVICE, tmp_path)
    assert seconds > 0 and megabytes > 0
    assert len(milliseconds) == len(QUESTIONS)
