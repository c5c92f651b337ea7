"""What builds a node that follows."""
