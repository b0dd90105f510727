"""Arrays in an accelerator's memory, as much of them as binding needs.

A session that runs on a GPU copies an input from the host when it is bound, and an output to the host after
every run. The decoder reads and writes its caches at every step, so they live on the device: they are copied
there once, views of their rows are bound by address, and they come back only when rows are chosen.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

HOST = "cpu"


class DeviceArray:
    """A C-contiguous array on a device, or a view of some of its first axis."""

    def __init__(self, value: Any, dtype: np.dtype[Any], shape: tuple[int, ...], address: int) -> None:
        """`value`: the `onnxruntime.OrtValue` that owns the memory at `address`."""
        self._value, self.dtype, self.shape, self.address = value, dtype, shape, address

    @classmethod
    def of(cls, array: NDArray[Any], device: str) -> DeviceArray:
        """A copy of a host array on the device `device` ("cuda")."""
        import onnxruntime

        value = onnxruntime.OrtValue.ortvalue_from_shape_and_type(array.shape, array.dtype.type, device, 0)
        value.update_inplace(np.ascontiguousarray(array))
        return cls(value, array.dtype, array.shape, value.data_ptr())

    @property
    def device(self) -> str:
        """Its name in ONNX Runtime."""
        return str(self._value.device_name())

    def __getitem__(self, rows: slice) -> DeviceArray:
        first, stop, _ = rows.indices(self.shape[0])
        size = self.dtype.itemsize * int(np.prod(self.shape[1:]))
        shape = (stop - first, *self.shape[1:])
        return DeviceArray(self._value, self.dtype, shape, self.address + first * size)

    def numpy(self) -> NDArray[Any]:
        """A copy on the host of the whole array; a view has none."""
        if self.address != self._value.data_ptr():
            raise ValueError("a view of a device's array is bound, not read")
        array: NDArray[Any] = self._value.numpy()
        return array


Array = NDArray[Any] | DeviceArray


def on_host(array: Array) -> NDArray[Any]:
    """The array itself, or a copy of what the device has."""
    return array.numpy() if isinstance(array, DeviceArray) else array


def bind(to: Any, name: str, array: Array) -> None:
    """Bind an array by its address; `to` is `bind_input` or `bind_output` of an `onnxruntime.IOBinding`.

    The binding stores addresses only: the caller keeps the array alive.
    """
    device, address = (
        (array.device, array.address) if isinstance(array, DeviceArray) else (HOST, array.ctypes.data)
    )
    to(name, device, 0, array.dtype.type, array.shape, address)
