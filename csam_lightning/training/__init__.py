"""Training of folds: one fold, and several side by side."""
