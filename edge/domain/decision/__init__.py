"""What a device gets and why, from a compiled snapshot of its app."""
