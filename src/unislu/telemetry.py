"""Nothing that unislu loads reports about its user: the reports of libraries are off before any is imported.

ONNX Runtime from 1.29 on keeps a device id in the home's cache folder and looks up a collector. It reads its
variable when it is imported; a call afterwards is too late for the files. So `import unislu` sets all of
them, and whoever imports onnxruntime before unislu must set `ORT_DISABLE_TELEMETRY=1` in the environment.
"""

from __future__ import annotations

import os

OFF = {
    "ORT_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "DO_NOT_TRACK": "1",
}


def switch_off() -> None:
    """Set every variable that is not set: who sets one to another value wants it so."""
    for name, value in OFF.items():
        os.environ.setdefault(name, value)
