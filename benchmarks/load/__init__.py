"""Load generators: programs of their own that send requests and count answers."""
