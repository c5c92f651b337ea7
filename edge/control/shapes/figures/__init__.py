"""Bodies and answers about figures."""
