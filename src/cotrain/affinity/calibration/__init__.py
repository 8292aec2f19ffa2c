"""Trainings that are chosen and measured, and subsets worth considering."""
