"""Passwords: which are taken, how they are kept, how often one may be tried."""
