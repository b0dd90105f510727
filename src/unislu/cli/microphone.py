"""The microphone, through sounddevice and PortAudio (the extra `listen`)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from ..errors import AudioError, MissingDependencyError, OptionError, install_hint, needs
from .pcm_buffer import Buffer

_RATE = 16_000
_BLOCK = _RATE // 10


def find(device: str | None) -> int | str | None:
    """The device in sounddevice's terms.

    Raises:
        MissingDependencyError: sounddevice or PortAudio is not installed.
        OptionError: there is no such microphone, or none at all.
    """
    sounddevice = _sounddevice()
    wanted: int | str | None = int(device) if device is not None and device.isdecimal() else device
    try:
        sounddevice.query_devices(wanted, "input")
    except (ValueError, sounddevice.PortAudioError) as error:
        known = [
            f"{number} {found['name']}"
            for number, found in enumerate(sounddevice.query_devices())
            if found["max_input_channels"]
        ]
        have = f"choose from {'; '.join(known)}" if known else "there is none: pipe PCM into `listen -`"
        raise OptionError(f"--device {device}: is not a microphone ({_reason(error)}); {have}") from None
    return wanted


@contextlib.contextmanager
def recording(device: str | None, buffer: Buffer) -> Iterator[None]:
    """While the block runs, the microphone records into the buffer."""
    sounddevice = _sounddevice()

    def take(data: Any, frames: int, when: Any, status: Any) -> None:
        if status.input_overflow:
            buffer.lost += 2 * _BLOCK
        buffer.put(bytes(data), wait=False)

    try:
        stream = sounddevice.RawInputStream(
            _RATE, _BLOCK, find(device), channels=1, dtype="int16", callback=take
        )
    except sounddevice.PortAudioError as error:
        raise AudioError(
            f"the microphone cannot be opened at 16 kHz ({_reason(error)}); try --device"
        ) from None
    with stream:
        yield


def _sounddevice() -> Any:
    try:
        with needs("the microphone", install=f'{install_hint("listen")} (or pipe PCM: `unislu listen -`)'):
            import sounddevice
    except OSError as error:  # the wheel for Linux does not contain PortAudio
        raise MissingDependencyError(
            f'the microphone needs PortAudio ({error}): install libportaudio2; {install_hint("listen")}'
        ) from None
    return sounddevice


def _reason(error: Exception) -> str:
    return str(error.args[0] if error.args else error)
