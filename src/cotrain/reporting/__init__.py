"""What people look at: figures, one HTML page, one summary in plain values."""

from cotrain.reporting.page import report
from cotrain.reporting.summary import summary

__all__ = ["report", "summary"]
