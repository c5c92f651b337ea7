"""What devices are answered, whichever protocol carried the request."""
