"""What the arguments of a command make of a file."""

import argparse
from pathlib import Path

import numpy as np
import torch

from cotrain.cli.problem_source import configure, describe, read_problem, source_of


def test_a_file_is_read_as_a_graph_where_hops_are_given(tmp_path: Path) -> None:
    ring = np.arange(40)
    edges, labels = np.stack([ring, (ring + 1) % 40], axis=1), np.stack([ring < 20, ring % 2 == 0], axis=1)
    features = np.random.default_rng(0).normal(size=(40, 3))
    np.savez(tmp_path / "ring.npz", edges=edges, X=features, Y=labels, tasks=np.array(["half", "even"]))
    parser = argparse.ArgumentParser()
    configure(parser)
    widths = []
    for options in ([], ["--hops", "1"], ["--hops", "2"]):
        arguments = parser.parse_args([str(tmp_path / "ring.npz"), *options])
        inputs = read_problem(describe(source_of(arguments), arguments)).splits["train"].inputs
        assert isinstance(inputs, torch.Tensor)
        widths.append(inputs.shape[1])
    assert widths == [3, 6, 9]
