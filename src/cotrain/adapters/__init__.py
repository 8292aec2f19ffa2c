"""What becomes of trained groups of texts: standard PEFT adapters, one per group, and routing between them."""

from cotrain.adapters.routed import RoutedAdapters
from cotrain.adapters.saving import save_adapters
from cotrain.adapters.trainer_rows import trainer_rows

__all__ = ["RoutedAdapters", "save_adapters", "trainer_rows"]
