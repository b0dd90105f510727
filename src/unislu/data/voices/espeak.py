"""espeak-ng: formant voices with many variants, a few hundred times real time.

A name is a voice and a variant, as for the command's `-v`: `en-us`, `en-us+m3`, `en-gb+f2`, `en-029`.

One process a sentence, on purpose: the library keeps the phase of its oscillators between sentences, so that
the samples would depend on what was spoken before, and initialising it again in the same process can hang.
A process takes about 10 ms.
"""

from __future__ import annotations

import shutil
import subprocess

import numpy as np
from numpy.typing import NDArray

from unislu.errors import MissingDependencyError, VoiceError

_INSTALL = "apt-get install espeak-ng"
_WORDS_PER_MINUTE = 175
_WAV_HEADER = 44
_SAMPLE_RATE = 22050
_TIMEOUT = 60.0


class EspeakVoice:
    """`espeak:en-us+f3` and its sisters.

    Raises:
        MissingDependencyError: when espeak-ng is not installed.
        VoiceError: when there is no such voice.
    """

    def __init__(self, name: str) -> None:
        command = shutil.which("espeak-ng")
        if command is None:
            raise MissingDependencyError(f"espeak:{name} needs espeak-ng: `{_INSTALL}`")
        self._name = name
        self._command = command
        self.speak("yes")

    def speak(self, text: str, *, speed: float = 1.0) -> tuple[NDArray[np.float32], int]:
        """See `Voice.speak`. 22.05 kHz."""
        arguments = [self._command, "-v", self._name, "-s", str(round(_WORDS_PER_MINUTE * speed))]
        try:
            done = subprocess.run(
                [*arguments, "--stdin", "--stdout"],
                input=text.encode(),
                capture_output=True,
                timeout=_TIMEOUT,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise VoiceError(f"espeak:{self._name}: {error} on {text[:60]!r}") from error
        if done.returncode != 0 or len(done.stdout) <= _WAV_HEADER:
            reason = done.stderr.decode(errors="replace").strip() or f"exit code {done.returncode}"
            raise VoiceError(
                f"espeak:{self._name}: {reason}; see `espeak-ng --voices=en` and `espeak-ng --voices=variant`"
            )
        body = done.stdout[_WAV_HEADER:]
        rate = int.from_bytes(done.stdout[24:28], "little") or _SAMPLE_RATE
        return np.frombuffer(body[: len(body) // 2 * 2], "<i2").astype(np.float32) / np.float32(32768), rate
