"""The gradient store at 5 GB: resident memory of a reader, and speed against bare NumPy files.

Run ``python benchmarks/store.py``; it writes ``benchmarks/results/store.json`` and ``store.md`` and removes its files.
Readers are processes of their own that pass once over every feature (``linear_losses`` for eight coefficient vectors);
their peak resident memory is what the operating system reports. The baseline keeps one ``.npy`` file per task and
block, written with fsync and rename, and reads it as a memory map.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch

from cotrain import files
from cotrain.affinity.linear.linear_rows import linear_losses
from cotrain.gradients.digests import Origin
from cotrain.gradients.manifest import StoreSpec
from cotrain.gradients.store import GradientStore
from cotrain.gradients.task_gradients import TaskGradients

RESULTS = Path(__file__).parent / "results"
DIMENSION, BLOCK, BLOCKS = 200, 16_384, 4
SPEC = StoreSpec("benchmark", {"weight": [1, DIMENSION]}, {"kind": "identity", "dimension": DIMENSION})


class NumpyTasks(Mapping[str, TaskGradients]):
    """The baseline's reader: the blocks of a task as memory maps of bare files, one task per block."""

    def __init__(self, path: Path) -> None:
        self._paths = {file.stem: file for file in sorted(path.glob("*.npy"))}

    def __getitem__(self, name: str) -> TaskGradients:
        features = torch.from_numpy(np.load(self._paths[name], mmap_mode="c"))
        return TaskGradients(features, torch.zeros(len(features)), torch.arange(len(features)), "square")

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


def blocks(tasks: int) -> Iterator[tuple[int, int, TaskGradients]]:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(BLOCK, DIMENSION, generator=generator)
    for task in range(tasks):
        for number in range(BLOCKS):
            yield task, number, TaskGradients(features, torch.zeros(BLOCK), torch.arange(BLOCK), "square")


def write(store: Path, bare: Path, tasks: int) -> dict[str, float]:
    """Write both block by block in turn, so that both meet the same disk; return the seconds of each."""
    opened, took = GradientStore.create(store, SPEC), {"store": 0.0, "npy": 0.0}
    bare.mkdir()
    for task, number, rows in blocks(tasks):
        start = number * BLOCK
        origin = Origin("", torch.arange(start, start + BLOCK))
        took["store"] += seconds(partial(opened.append, "train", f"t{task}", start, rows, origin=origin))
        save = partial(np.save, arr=rows.features.numpy())
        took["npy"] += seconds(partial(files.write_atomically, bare / f"t{task}-{number}.npy", save))
    return took


def merge(path: Path, tasks: int) -> None:
    store = GradientStore.open(path)
    for task in range(tasks):
        store.merge("train", f"t{task}")


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def read(kind: str, path: Path) -> dict[str, float]:
    """Pass over all features and report this process's peak resident memory."""
    torch.set_num_threads(1)
    before = peak_megabytes()
    rows: Mapping[str, TaskGradients] = GradientStore.open(path).read("train") if kind == "store" else NumpyTasks(path)
    took = seconds(lambda: linear_losses(rows, torch.ones(8, DIMENSION)))
    return {"seconds": took, "peak_mb": peak_megabytes(), "peak_mb_before_reading": before}


def peak_megabytes() -> float:
    """Return this program's own peak; ``getrusage`` would report the parent's where that was higher."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6


def read_apart(kind: str, path: Path) -> dict[str, float]:
    """Read in a process of its own; the second of two runs, when the files are in the page cache."""
    command = [sys.executable, __file__, "--read", kind, str(path)]
    runs = [subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(2)]
    result: dict[str, float] = json.loads(runs[1].stdout)
    return result


def measure(folder: Path, gigabytes: float) -> dict[str, object]:
    tasks = max(1, round(gigabytes * 1e9 / (BLOCKS * BLOCK * DIMENSION * 4)))
    store, bare = folder / "store", folder / "bare"
    took = write(store, bare, tasks)
    merging = seconds(lambda: merge(store, tasks))
    reading = {"store": read_apart("store", store), "npy": read_apart("npy", bare)}
    sizes = [file.stat().st_size / 1e6 for file in store.rglob("*.safetensors")]
    return {
        "megabytes": sum(sizes),
        "tasks": tasks,
        "largest_task_megabytes": max(sizes),
        "write_seconds": took,
        "merge_seconds": merging,
        "read": reading,
    }


def markdown(result: dict[str, object]) -> str:
    size, write, reading = float(str(result["megabytes"])), result["write_seconds"], result["read"]
    assert isinstance(write, dict)
    assert isinstance(reading, dict)
    lines = [
        "# Gradient store",
        "",
        f"{size / 1e3:.2f} GB, {result['tasks']} tasks of {result['largest_task_megabytes']:.0f} MB, d = {DIMENSION},",
        f"appended in blocks of {BLOCK:,} rows,",
        f"then merged to a file per task in {float(str(result['merge_seconds'])):.1f} s.",
        "Readers find the files in the page cache; their peak is what they held before and the largest task.",
        "Written by `python benchmarks/store.py`.",
        "",
        "| | write MB/s | read MB/s | peak resident MB | of these before reading |",
        "|---|---|---|---|---|",
    ]
    for kind, name in (("store", "store"), ("npy", "bare .npy files")):
        found = reading[kind]
        lines.append(
            f"| {name} | {size / write[kind]:.0f} | {size / found['seconds']:.0f} | {found['peak_mb']:.0f} | "
            f"{found['peak_mb_before_reading']:.0f} |"
        )
    ratios = write["npy"] / write["store"], reading["npy"]["seconds"] / reading["store"]["seconds"]
    lines += ["", f"Store over bare files: writing {ratios[0]:.2f}, reading {ratios[1]:.2f} times as fast.", ""]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=5.0)
    parser.add_argument("--read", nargs=2, metavar=("KIND", "PATH"))
    options = parser.parse_args()
    if options.read:
        print(json.dumps(read(options.read[0], Path(options.read[1]))))
        return
    with tempfile.TemporaryDirectory() as folder:
        result = measure(Path(folder), options.gigabytes)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "store.json").write_text(json.dumps(result, indent=2) + "\n")
    (RESULTS / "store.md").write_text(markdown(result))
    print(markdown(result))


if __name__ == "__main__":
    main()
