"""From the runs in MLflow to what a person reads: figures, tables, and which cell to choose."""
