"""What is between a node and its devices, as its own deliveries show it."""
