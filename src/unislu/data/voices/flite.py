"""Flite through its shared libraries: the voice is loaded once, not once a sentence.

Voices are the installed `libflite_cmu_*` libraries: `awb`, `rms`, `slt` (16 kHz), `kal16`, `kal` (8 kHz).
"""

from __future__ import annotations

import ctypes
import re
import unicodedata
from functools import cache, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unislu.errors import MissingDependencyError, VoiceError

_INSTALL = "apt-get install flite"


class _Wave(ctypes.Structure):
    """`cst_wave` of flite/cst_wave.h."""

    _fields_ = (
        ("type", ctypes.c_char_p),
        ("sample_rate", ctypes.c_int),
        ("num_samples", ctypes.c_int),
        ("num_channels", ctypes.c_int),
        ("samples", ctypes.POINTER(ctypes.c_short)),
    )


class _Voice(ctypes.Structure):
    """The beginning of `cst_voice` of flite/cst_voice.h, all that is read here."""

    _fields_ = (("name", ctypes.c_char_p), ("features", ctypes.c_void_p))


class FliteVoice:
    """`flite:slt` and its sisters.

    Raises:
        MissingDependencyError: when Flite is not installed.
        VoiceError: when there is no such voice.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._library = _library()
        self._c = ctypes.CDLL(None)
        self._voice = _register(name)
        self._features = ctypes.cast(self._voice, ctypes.POINTER(_Voice)).contents.features
        self._pace = float(
            self._library.flite_get_param_float(self._features, b"duration_stretch", ctypes.c_float(1.0))
        )

    def speak(self, text: str, *, speed: float = 1.0) -> tuple[NDArray[np.float32], int]:
        """See `Voice.speak`. Letters outside ASCII lose their accents: Flite reads no others."""
        stretch = ctypes.c_float(self._pace / speed)
        self._library.flite_feat_set_float(self._features, b"duration_stretch", stretch)
        self._c.srand(1)  # its excitation noise comes from the C library's generator
        wave = self._library.flite_text_to_wave(_ascii(text).encode("ascii"), self._voice)
        if not wave:
            raise VoiceError(f"flite:{self._name}: no audio for {text[:60]!r}")
        try:
            found = wave.contents
            samples = np.ctypeslib.as_array(found.samples, shape=(max(found.num_samples, 1),))
            audio = samples[: found.num_samples].astype(np.float32) / np.float32(32768)
            return audio, int(found.sample_rate)
        finally:
            self._library.delete_wave(wave)


def _ascii(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")
    return re.sub(r"\s+", " ", plain).strip()


@lru_cache(maxsize=1)
def _library() -> Any:
    try:
        library = ctypes.CDLL("libflite.so.1", mode=ctypes.RTLD_GLOBAL)
        # The voices look these up without naming them as dependencies.
        for helper in ("libflite_cmulex.so.1", "libflite_usenglish.so.1"):
            ctypes.CDLL(helper, mode=ctypes.RTLD_GLOBAL)
    except OSError as error:
        raise MissingDependencyError(f"flite voices need Flite: `{_INSTALL}` ({error})") from error
    library.flite_init.restype = ctypes.c_int
    library.flite_text_to_wave.argtypes = [ctypes.c_char_p, ctypes.c_void_p]
    library.flite_text_to_wave.restype = ctypes.POINTER(_Wave)
    library.delete_wave.argtypes = [ctypes.POINTER(_Wave)]
    library.flite_feat_set_float.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_float]
    library.flite_get_param_float.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_float]
    library.flite_get_param_float.restype = ctypes.c_float
    library.flite_init()
    return library


@cache
def _register(name: str) -> int:
    """The address of the voice, loaded once in a process."""
    if not re.fullmatch(r"\w+", name):
        raise VoiceError(f"flite:{name}: no such voice; usually awb, rms, slt, kal16 and kal are installed")
    stem = f"cmu_{name}" if name.startswith("us_") else f"cmu_us_{name}"
    try:
        module = ctypes.CDLL(f"libflite_{stem}.so.1", mode=ctypes.RTLD_GLOBAL)
    except OSError as error:
        raise VoiceError(
            f"flite:{name}: no such voice ({error}); usually awb, rms, slt, kal16 and kal are installed"
        ) from error
    register = getattr(module, f"register_{stem}")
    register.argtypes = [ctypes.c_char_p]
    register.restype = ctypes.c_void_p
    address = register(None)
    if not address:
        raise VoiceError(f"flite:{name}: the voice cannot be loaded")
    return int(address)
