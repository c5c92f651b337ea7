"""All operations on features, in one table."""

from edge.control.routes.features import feature_figures, feature_keys, feature_trials, features, foreseen

OPERATIONS = (
    *features.OPERATIONS,
    *foreseen.OPERATIONS,
    *feature_trials.OPERATIONS,
    *feature_figures.OPERATIONS,
    *feature_keys.OPERATIONS,
)
