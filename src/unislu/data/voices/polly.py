"""AWS Polly through boto3, the synthesiser of WhisperNER's paper. Costs money and sends the texts to AWS.

A name is a voice and an engine: `Joanna`, `Matthew@neural`, `Ruth@generative`. Credentials and region come
from where boto3 finds them.
"""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

from unislu.errors import VoiceError, needs

_SAMPLE_RATE = 16000


class PollyVoice:
    """`polly:Joanna@neural` and its sisters.

    Raises:
        MissingDependencyError: when boto3 is not installed.
        VoiceError: when AWS has no region or credentials for us.
    """

    def __init__(self, name: str) -> None:
        with needs(f"polly:{name}", "polly"):
            import boto3
            from botocore.exceptions import BotoCoreError
        self._name = name
        self._voice, _, self._engine = name.partition("@")
        try:
            self._client: Any = boto3.client("polly")
        except BotoCoreError as error:
            raise VoiceError(f"polly:{name}: {error}; see `aws configure`") from error

    def speak(self, text: str, *, speed: float = 1.0) -> tuple[NDArray[np.float32], int]:
        """See `Voice.speak`. 16 kHz."""
        from botocore.exceptions import BotoCoreError, ClientError

        ssml = f'<speak><prosody rate="{round(100 * speed)}%">{escape(text)}</prosody></speak>'
        try:
            answer = self._client.synthesize_speech(
                Text=ssml,
                TextType="ssml",
                VoiceId=self._voice,
                Engine=self._engine or "neural",
                OutputFormat="pcm",
                SampleRate=str(_SAMPLE_RATE),
            )
            body = answer["AudioStream"].read()
        except (BotoCoreError, ClientError) as error:
            raise VoiceError(f"polly:{self._name}: {error} on {text[:60]!r}") from error
        pcm = np.frombuffer(body[: len(body) // 2 * 2], "<i2")
        return pcm.astype(np.float32) / np.float32(32768), _SAMPLE_RATE
