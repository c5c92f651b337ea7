"""What nodes say to each other over the control port: the truth downwards, what devices bring about upwards."""
