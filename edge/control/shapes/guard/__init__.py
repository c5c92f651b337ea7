"""Bodies and answers about the guard of a channel."""
