"""This node: its workers, what it serves, its disk, its counting, its webhooks."""
