"""Measurements of speed and memory; kept apart from the tests, which never time anything."""
