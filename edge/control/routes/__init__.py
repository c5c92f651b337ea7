"""What the control API does: each module holds the operations of one topic, and their handlers."""
