"""Models of gains over subsets of tasks, learned from subsets whose losses are known."""

from cotrain.affinity.surrogates.gain_model import GainModel, Prediction
from cotrain.affinity.surrogates.gain_process import GainProcess
from cotrain.affinity.surrogates.indicator_models import KernelSurrogate, RidgeSurrogate

__all__ = ["GainModel", "GainProcess", "KernelSurrogate", "Prediction", "RidgeSurrogate"]
