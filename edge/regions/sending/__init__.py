"""Reports of devices on their way home, and their arrival there."""
