"""The folding process: a child of the supervisor that counts events and answers questions about the figures."""
