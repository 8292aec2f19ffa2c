"""Readers: each turns one form of data into a :class:`~cotrain.problem.problem.Problem`."""
