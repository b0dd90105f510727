"""The golden ids on this processor, or on one that QEMU plays: how far they are from the recorded ones.

    PYTHONPATH=src qemu-x86_64 -cpu Nehalem "$(which python)" benchmarks/processors.py
    python benchmarks/processors.py --exact

With --exact the encoder's products of integers are computed by ONNX Runtime's 32-bit product in place of its
8-bit kernels: what a processor with VNNI computes, which QEMU cannot play. A JSON line for each clip, at
once: an emulated processor takes minutes for one.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import time
from pathlib import Path

import onnx
import onnxruntime
from onnx import TensorProto, helper

from unislu.bundle import open_bundle

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.golden.record import CLIPS, IDS, open_recorded, summary  # noqa: E402


def exact(source: Path, target: Path) -> Path:
    """Write the graph with each MatMulIntegerToFloat as a product of 32-bit integers, scaled."""
    model = onnx.load(source)
    nodes: list[onnx.NodeProto] = []
    for number, node in enumerate(model.graph.node):
        if node.op_type != "MatMulIntegerToFloat":
            nodes.append(node)
            continue
        a, b, a_scale, b_scale, a_zero, b_zero, bias = [*node.input, "", ""][:7]
        name = f"exact_{number}"

        def add(kind: str, inputs: list[str], output: str, name: str = name, **attributes: int) -> str:
            nodes.append(helper.make_node(kind, inputs, [f"{name}_{output}"], **attributes))
            return f"{name}_{output}"

        sides = []
        for side, values, zero in (("a", a, a_zero), ("b", b, b_zero)):
            wide = add("Cast", [values], side, to=TensorProto.INT32)
            if zero:
                wide = add(
                    "Sub",
                    [wide, add("Cast", [zero], f"{side}_zero", to=TensorProto.INT32)],
                    f"{side}_centred",
                )
            sides.append(wide)
        product = add("Cast", [add("MatMul", sides, "product")], "float", to=TensorProto.FLOAT)
        scaled = add("Mul", [product, add("Mul", [a_scale, b_scale], "scale")], "scaled")
        kind, inputs = ("Add", [scaled, bias]) if bias else ("Identity", [scaled])
        nodes.append(helper.make_node(kind, inputs, list(node.output)))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.save(model, target)
    return target


def main() -> int:
    """Hear the clips; the exit status is 1 if one has other ids."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--clips", type=int, default=len(CLIPS), metavar="N", help="hear the first N only")
    parser.add_argument("--exact", action="store_true", help="integers multiplied in 32 bits")
    asked = parser.parse_args()
    chosen = CLIPS[: asked.clips]
    recorded = json.loads(IDS.read_text(encoding="utf-8"))["clips"]
    print(json.dumps({"machine": platform.machine(), "onnxruntime": onnxruntime.__version__}), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        encoder = exact(open_bundle().encoder, Path(folder) / "encoder.onnx") if asked.exact else None
        model, recorder = open_recorded(encoder)
    equal = 0
    for path in chosen:
        start = time.perf_counter()
        seen = summary(model.analyze(path)) | {"ids": recorder.ids}
        same = {key: seen[key] == recorded[path.name][key] for key in ("ids", "text", "entities")}
        equal += same["ids"]
        line = {"clip": path.name, "equal": same, "seconds": round(time.perf_counter() - start, 1)}
        print(json.dumps(line | ({} if same["ids"] else {"found": seen})), flush=True)
    print(f"{equal} of {len(chosen)} clips have the recorded ids")
    return 0 if equal == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
