"""Differences of weights: from short fine-tunings or from checkpoints."""
