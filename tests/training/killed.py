"""Work for a process that is to be killed."""

from multiprocessing.connection import Connection
from pathlib import Path

from cotrain.problem.options import TrainingOptions
from cotrain.training.trainer import Trainer

from .problems import problem_for

JOBS = ((("a", "b"), 0), (("a", "b", "c"), 1), (("c", "d"), 2))


def train_all(folder: Path, answers: Connection) -> None:
    """Train all jobs; say when it starts and, at the end, the exact losses."""
    problem = problem_for(dropout=0.2, training=TrainingOptions(batch_size=4, epochs=12, patience=12))
    trainer = Trainer(problem, folder=folder, checkpoint_seconds=0)
    answers.send("ready")
    answers.send([trainer.fit(subset, seed=seed).validation_loss.tolist() for subset, seed in JOBS])
