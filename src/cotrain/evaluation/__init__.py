"""Whether it was worth it: the verdict on trained groups, and scores of affinities against measured losses."""

from cotrain.evaluation.judge import Judged, judge
from cotrain.evaluation.scores import Score, Scores, evaluate
from cotrain.evaluation.trained import TrainedGroups
from cotrain.evaluation.truth import read_truth
from cotrain.evaluation.verdict import Advice, Arm, ArmName, Comparison, Verdict

__all__ = [
    "Advice",
    "Arm",
    "ArmName",
    "Comparison",
    "Judged",
    "Score",
    "Scores",
    "TrainedGroups",
    "Verdict",
    "evaluate",
    "judge",
    "read_truth",
]
