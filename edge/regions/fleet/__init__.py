"""What is known of the nodes: each one says how it is, and the origin remembers."""
