"""Work for a process that is to be killed."""

from multiprocessing.connection import Connection
from pathlib import Path

from cotrain.problem.options import TrainingOptions
from cotrain.training.trainer import Trainer

from .problems import problem_for

JOBS = ((("a", "b"), 0), (("a", "b", "c"), 1), (("c", "d"), 2))
TRAINING = TrainingOptions(batch_size=4, epochs=12, patience=3)


def train_all(folder: Path, answers: Connection) -> None:
    """Train all jobs; say when it starts and, at the end, the exact losses."""
    alone = Trainer(problem_for(dropout=0.2, training=TRAINING), folder=folder / "alone", checkpoint_seconds=0)
    together = Trainer(problem_for(training=TRAINING), folder=folder / "together", checkpoint_seconds=0)
    answers.send("ready")
    fits = [*alone.fit_many(JOBS), *together.fit_many(JOBS)]
    answers.send([(fit.validation_loss.tolist(), fit.curve.tolist()) for fit in fits])
