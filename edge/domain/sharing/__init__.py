"""What nodes in several regions know together about single devices, and how what each knows is merged. Pure."""
