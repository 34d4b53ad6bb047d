"""A trained model: found, assembled, described."""
