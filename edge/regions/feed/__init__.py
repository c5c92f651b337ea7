"""What a node tells those that follow it, and in which words."""
