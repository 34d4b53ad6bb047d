"""What trained folds are worth: metrics, cross-validation summary, figures."""
