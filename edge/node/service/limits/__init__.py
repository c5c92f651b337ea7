"""How much one peer, one app or all of them may take: connections, events, channel calls, load."""
