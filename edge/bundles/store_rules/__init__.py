"""What app stores do not allow in a live update, as far as a bundle shows it: warnings with their sources."""
