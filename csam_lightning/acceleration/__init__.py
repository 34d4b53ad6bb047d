"""Speed behind one call."""
