"""Trained groups as a Lightning module, to go on training or to predict there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from cotrain.errors import MissingExtraError
from cotrain.problem.losses import RowLosses
from cotrain.problem.options import TrainingOptions
from cotrain.problem.rows import Inputs
from cotrain.training.optimizer import optimizer_of
from cotrain.training.serving import Service

if TYPE_CHECKING:
    from lightning import LightningModule


def lightning_module(service: Service, options: TrainingOptions | None = None) -> LightningModule:
    """Return a Lightning module of trained groups.

    Its batches are pairs of encoded inputs and targets ``(rows, tasks)``, NaN for a missing label, a column for every
    task served, in the order of ``service.tasks``. Its loss is the mean over tasks of their mean losses in the batch,
    logged as ``train_loss`` and ``val_loss``; ``predict_step`` predicts in the tasks' own terms.

    Parameters
    ----------
    service
        What is trained further, in place.
    options
        Optimizer and learning rate.

    Raises
    ------
    MissingExtraError
        When Lightning is not installed.
    """
    try:
        from lightning import LightningModule
    except ImportError as error:
        raise MissingExtraError("a Lightning module", extra="lightning") from error
    chosen, losses = options or TrainingOptions(), RowLosses(service.tasks)

    class TrainedGroupsModule(LightningModule):
        """The networks of all groups, trained together on the mean loss of the tasks they serve."""

        def __init__(self) -> None:
            super().__init__()
            self.service = service

        def forward(self, inputs: Inputs) -> dict[str, Tensor]:
            found: dict[str, Tensor] = self.service(inputs)
            return found

        def training_step(self, batch: tuple[Inputs, Tensor], _: int) -> Tensor:
            return self._logged("train_loss", batch)

        def validation_step(self, batch: tuple[Inputs, Tensor], _: int) -> Tensor:
            return self._logged("val_loss", batch)

        def predict_step(self, batch: Any, _: int) -> dict[str, Tensor]:
            inputs = batch[0] if isinstance(batch, list | tuple) else batch
            found: dict[str, Tensor] = self(inputs)
            return found

        def configure_optimizers(self) -> Any:
            return optimizer_of(self.service.parameters(), chosen)

        def _logged(self, name: str, batch: tuple[Inputs, Tensor]) -> Tensor:
            inputs, targets = batch
            counts = (~torch.isnan(targets)).sum(dim=0)
            sums = losses(self.service.outputs(inputs), targets).sum(dim=0)
            loss = (sums / counts.clamp(min=1)).sum() / (counts > 0).sum().clamp(min=1)
            self.log(name, loss.detach(), batch_size=len(targets))
            return loss

    return TrainedGroupsModule()
