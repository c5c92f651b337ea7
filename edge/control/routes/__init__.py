"""What the control API does, by topic: each module holds the operations of one part of it."""
