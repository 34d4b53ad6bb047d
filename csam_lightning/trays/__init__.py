"""Scans that hold many units: false colour to grey, and every unit found, numbered and straightened."""
