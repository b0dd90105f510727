"""Inference engines: `encode` and `step`, nothing else. `onnx` is the default, `torch` the reference."""
