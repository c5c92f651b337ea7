"""What we are compared with, each a program of its own that serves until it is ended."""
