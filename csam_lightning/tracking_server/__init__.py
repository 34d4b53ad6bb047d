"""A tracking server for several machines: PostgreSQL, and MLflow in front of it."""
