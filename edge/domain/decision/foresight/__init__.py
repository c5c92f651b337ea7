"""What a change or a rollout would do to devices, before it is made: decisions on snapshots with it and without."""
