"""A node of one role."""
