"""Request bodies and answers about features."""
