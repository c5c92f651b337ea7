"""Proposals, their approval, the rules that ask for it, and freezes. Pure."""
