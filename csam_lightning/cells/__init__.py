"""One cell, from its settings to its results."""
