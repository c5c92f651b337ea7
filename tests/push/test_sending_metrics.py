"""What a scraper sees of messages to devices."""

from edge.push.sending_metrics import SendingSeen, build_sending_metrics


def test_each_condition_is_a_number():
    families = build_sending_metrics(SendingSeen(is_up=False, active=2, halted=1, restarts=3, unreadable=4))
    assert {each.name: each.samples[0].value for each in families} == {
        "edge_messages_up": False,
        "edge_messages_active": 2,
        "edge_push_halted": 1,
        "edge_push_unreadable": 4,
        "edge_messages_restarts_total": 3,
    }
