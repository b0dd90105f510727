"""Nothing that unislu loads sends usage reports: the telemetry of libraries is switched off before they are
imported.

From 1.29 on, ONNX Runtime keeps a device id in the home's cache folder and contacts a collector. It reads its
environment variable at import; a call afterwards is too late to keep the files from being written. So `import
unislu` sets all of these variables, and programs that import onnxruntime before unislu must set
`ORT_DISABLE_TELEMETRY=1` themselves.
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
    """Set every variable that is not set yet; a value that the user chose is kept."""
    for name, value in OFF.items():
        os.environ.setdefault(name, value)
