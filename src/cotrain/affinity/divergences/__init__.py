"""Samples of tasks' data and distances between them."""
