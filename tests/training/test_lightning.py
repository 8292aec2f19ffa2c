import warnings
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from cotrain.problem.options import TrainingOptions
from cotrain.problem.task import Task
from cotrain.training.lightning import lightning_module
from cotrain.training.serving import Service

TASKS = (Task("a", "regression"), Task("b"))


def test_lightning_trains_and_predicts_with_all_groups() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from lightning import Trainer, seed_everything

        seed_everything(0, verbose=False)
        service = Service([TASKS[:1], TASKS[1:]], [nn.Linear(3, 1), nn.Linear(3, 1)], {"a": 0, "b": 1})
        inputs = torch.randn(64, 3)
        targets = torch.stack([inputs.sum(dim=1), (inputs[:, 0] > 0).float()], dim=1)
        targets[:10, 0] = torch.nan
        module = lightning_module(service, TrainingOptions(learning_rate=0.1))
        quiet: dict[str, Any] = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
        trainer = Trainer(max_epochs=20, accelerator="cpu", enable_model_summary=False, **quiet)
        loader = DataLoader(TensorDataset(inputs, targets), batch_size=16)
        trainer.fit(module, loader)
        assert float(trainer.callback_metrics["train_loss"]) < 0.3
        predicted: Any = trainer.predict(module, DataLoader(TensorDataset(inputs), batch_size=64))
        (found,) = predicted
    assert torch.equal(found["b"], service.predict(inputs)["b"])
    assert float((found["b"] > 0.5).float().sub(targets[:, 1]).abs().mean()) == pytest.approx(0, abs=0.1)
