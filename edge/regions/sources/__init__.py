"""Where a node reads the truth that it follows: another node, or a store."""
