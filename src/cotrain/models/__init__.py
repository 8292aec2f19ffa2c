"""Networks that a problem builds by default; anything a user builds is as good."""

from cotrain.models.mlp import SharedMLP, SharedMLPFactory

__all__ = ["SharedMLP", "SharedMLPFactory"]
