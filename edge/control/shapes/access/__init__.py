"""Shapes of what is about access: tokens, people, roles."""
