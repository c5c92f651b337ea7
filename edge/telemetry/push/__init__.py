"""Devices that take messages: who they are, when they are used, and what messages changed."""
