"""Leak-free, cross-validated defect classification from acoustic microscopy."""
