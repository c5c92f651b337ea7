"""What devices bring about, on its way to every other node."""
