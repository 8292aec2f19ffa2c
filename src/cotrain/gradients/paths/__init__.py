"""Paths: ways from a network and rows to gradients in coordinates."""
