"""Data: manifest, scans, folds, augmentation."""
