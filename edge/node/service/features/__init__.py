"""Features as apps ask for them: answers that stand, keys, the stream of changes, and who got which value."""
