"""People on the page: their ways in, their invitations and their own account."""
