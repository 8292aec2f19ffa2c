"""``cotrain evaluate``: an affinity against measured losses."""

from __future__ import annotations

import argparse
from math import isnan
from pathlib import Path

from cotrain.cli import options, results
from cotrain.cli.group import read_affinity

NAME = "evaluate"
HELP = "Score an affinity against measured losses of subsets, beside what knows nothing."


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``cotrain evaluate``."""
    parser.add_argument("affinity", metavar="AFFINITY", help="an affinity.npz, or a square CSV")
    parser.add_argument(
        "truth", metavar="TRUTH", help="measured losses: a CSV or Parquet table (subset, task, loss) or an NPZ archive"
    )
    parser.add_argument("--split", metavar="NAME", default="validation", help="validation or test, where both are held")
    parser.add_argument("--min-size", metavar="N", type=int, default=3, help="score subsets of at least N tasks (3)")
    options.add_file_output(parser, "scores.json")


def execute(arguments: argparse.Namespace) -> None:
    """Score, save and print."""
    from cotrain import api
    from cotrain.evaluation.truth import read_truth, read_truth_cost

    out = options.free_file(arguments, ".json")
    affinity = read_affinity(Path(arguments.affinity))
    truth, cost = read_truth(arguments.truth, split=arguments.split), read_truth_cost(arguments.truth)
    scores = api.evaluate(affinity, truth, min_size=arguments.min_size, truth_cost=cost)
    if out:
        scores.save(out, overwrite=arguments.overwrite)
    if arguments.json:
        print(results.as_json(scores.to_dict()))
    else:
        table = scores.to_frame().to_string(index=False, float_format="{:.3f}".format, na_rep="-")
        print(f"{table}\n\nnoise ceiling of a correlation: {scores.ceiling:.2f}; {scores.subsets} subsets")
        if not isnan(scores.coverage):
            print(f"gains measured within 95 % intervals: {scores.coverage:.0%}")
        if not isnan(scores.cost_share):
            print(f"cost: {scores.cost_share:.1%} of the FLOPs that measuring took")
