"""When something happens: rollout steps, maintenance windows, time zones, durations."""
