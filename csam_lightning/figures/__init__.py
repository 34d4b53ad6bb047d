"""Figures that a cell's results and a report have in common, and the look of all figures."""
