"""Builds text networks for any tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cotrain.models.text.adapted import AdaptedNetwork
from cotrain.models.text.backbone import Backbone
from cotrain.models.text.encoder import EncoderNetwork, Pooling
from cotrain.models.text.language import LanguageNetwork
from cotrain.problem.task import Task


@dataclass(frozen=True, eq=False)
class TextFactory:
    """Builds a network for any tasks on one frozen transformer.

    Parameters
    ----------
    backbone
        The transformer and its adapters.
    pooling
        How hidden states become one vector where labels are predicted.
    """

    backbone: Backbone
    pooling: Pooling = "mean"

    def __call__(self, tasks: Sequence[Task]) -> AdaptedNetwork:
        """Return a network with untrained adapters (or those that the model brings) and untrained heads."""
        adapted = self.backbone.adapted()
        if self.backbone.form == "labels":
            return EncoderNetwork(adapted, self.backbone.digest, tasks, self.pooling)
        return LanguageNetwork(adapted, self.backbone.digest, tasks)
