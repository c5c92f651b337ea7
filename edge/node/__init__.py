"""One serving node: its processes, and what they answer devices."""
