"""The Polly voice against botocore's own stub of the service."""

from __future__ import annotations

import io

import numpy as np
import pytest

from unislu.data.voices import open_voice
from unislu.data.voices.polly import PollyVoice
from unislu.errors import VoiceError

stub = pytest.importorskip("botocore.stub")


@pytest.fixture
def voice(monkeypatch: pytest.MonkeyPatch) -> PollyVoice:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    opened = open_voice("polly:Joanna@neural")
    assert type(opened) is PollyVoice and opened._client.meta.region_name == "us-east-1"
    return opened


def test_pcm_becomes_samples(voice: PollyVoice) -> None:
    pcm = np.array([0, 16384, -32768], "<i2").tobytes()
    expected = {
        "Text": '<speak><prosody rate="125%">Fish &amp; chips</prosody></speak>', "TextType": "ssml",
        "VoiceId": "Joanna", "Engine": "neural", "OutputFormat": "pcm", "SampleRate": "16000",
    }  # fmt: skip
    with stub.Stubber(voice._client) as service:
        service.add_response("synthesize_speech", {"AudioStream": io.BytesIO(pcm)}, expected)
        samples, rate = voice.speak("Fish & chips", speed=1.25)
    assert rate == 16_000 and samples.tolist() == [0.0, 0.5, -1.0]


def test_a_refusal_names_voice_and_text(voice: PollyVoice) -> None:
    with stub.Stubber(voice._client) as service:
        service.add_client_error("synthesize_speech", "InvalidSsmlException", "bad")
        with pytest.raises(VoiceError, match=r"polly:Joanna@neural: .*'Hi'"):
            voice.speak("Hi")
