"""The servers that ours is compared with, each a separate program that serves until it is stopped."""
