"""A graph opened in ONNX Runtime, the one way that all of a bundle's graphs are."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from unislu.engines.devices import CPU
from unislu.errors import BundleNotFoundError, EngineError

if TYPE_CHECKING:
    import onnxruntime

SPINNING = "session.intra_op.allow_spinning"
STOP_SPINNING = "session.force_spinning_stop"


def open_session(
    path: Path, threads: int | None, spin: bool, providers: Sequence[str]
) -> onnxruntime.InferenceSession:
    """Open a graph on the first of `providers` that starts.

    Args:
        path: the graph's file.
        threads: threads for one operator; `None` is one for each core.
        spin: let idle threads spin within a run.
        providers: execution providers in order of preference.

    Raises:
        BundleNotFoundError: there is no such file.
        EngineError: ONNX Runtime cannot load it.
    """
    import onnxruntime

    if not path.is_file():
        raise BundleNotFoundError(f"{path}: no such file; export or install the bundle again")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    options.log_severity_level = 3
    # Threads that spin after a run would take cores from the other graph. Within a run they may.
    for key, value in ((SPINNING, spin), (STOP_SPINNING, True)):
        options.add_session_config_entry(key, "1" if value else "0")
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=list(providers))
    except Exception as error:  # onnxruntime's exceptions share no public base class
        raise EngineError(
            f"{path}: onnxruntime {onnxruntime.__version__} cannot load this graph ({error}); "
            "update it: pip install --upgrade onnxruntime"
        ) from error


def open_small(graph: Path | bytes) -> onnxruntime.InferenceSession:
    """Open a small graph, or its bytes, on one thread of the CPU: more would only wait for each other."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        graph if isinstance(graph, bytes) else str(graph), options, providers=[CPU]
    )


def cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
