"""Transformers with adapters: the frozen model is shared, every network brings adapters and heads of its own."""

from cotrain.models.text.adapted import AdaptedNetwork
from cotrain.models.text.backbone import Backbone, TextForm
from cotrain.models.text.factory import TextFactory

__all__ = ["AdaptedNetwork", "Backbone", "TextFactory", "TextForm"]
