"""What the node adds to a message, so that an app can say which one was opened."""

MESSAGE_KEY = "edge_message"  # beside the keys of the message's own data; its value is the message's id
RESERVED_PREFIX = "edge_"
