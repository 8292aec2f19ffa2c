"""Where work runs: devices, threads, this process or several."""

from cotrain.execution.executor import Executor, SerialExecutor
from cotrain.execution.processes import ProcessExecutor, WorkerError

__all__ = ["Executor", "ProcessExecutor", "SerialExecutor", "WorkerError"]
