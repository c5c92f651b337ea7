"""The snapshots that a process answers from: building them, and serving them."""
