"""Answers of operations that compare and count."""
