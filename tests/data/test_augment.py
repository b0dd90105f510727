"""Augmentation: deterministic, described completely by its steps, and doing what the steps say."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from unislu.data import augment, dsp
from unislu.errors import OptionError

RATE = 16000


@pytest.fixture(scope="module")
def clip() -> dsp.Samples:
    """Two seconds of something speech-like (modulated harmonics), 0.2 s of silence at both ends."""
    time = np.arange(2 * RATE) / RATE
    voice = sum(np.sin(2 * np.pi * 140 * k * time) / k for k in range(1, 30))
    return dsp.pad(dsp.set_level((voice * np.abs(np.sin(8 * time))).astype(np.float32), RATE, -23), RATE, 0.2)


@pytest.mark.parametrize("name", list(augment.DEFAULT))
def test_each_step_repeats_from_its_description(clip: dsp.Samples, name: str) -> None:
    for seed in range(4):
        steps = augment.draw({name: 1.0}, np.random.default_rng(seed))
        assert [step["name"] for step in steps] == [name]
        once = augment.apply(clip, RATE, steps)
        again = augment.apply(clip, RATE, json.loads(json.dumps(steps)))
        np.testing.assert_array_equal(once, again)
        assert once.dtype == np.float32 and np.isfinite(once).all() and np.max(np.abs(once)) <= 1
        if name != "speed":
            assert len(once) == len(clip)
        if name != "gain":
            assert dsp.active_rms(once, RATE) == pytest.approx(dsp.active_rms(clip, RATE), rel=0.35)


@pytest.mark.parametrize(("codec", "kbps"), [("opus", 12), ("opus", 24), ("mp3", 24), ("mp3", 48)])
def test_codecs_keep_the_signal_in_place(clip: dsp.Samples, codec: str, kbps: int) -> None:
    coded = augment.apply(clip, RATE, [{"name": "codec", "codec": codec, "kbps": kbps}])
    lags = np.arange(-400, 401)
    scores = [float(np.dot(clip[800:-800], coded[800 + lag : len(coded) - 800 + lag])) for lag in lags]
    assert abs(int(lags[int(np.argmax(scores))])) <= 16


def test_noise_has_the_ratio_it_says(clip: dsp.Samples) -> None:
    for kind in ("white", "pink", "brown", "hum"):
        step = {"name": "noise", "kind": kind, "snr_db": 10.0, "seed": 5}
        noise = augment.apply(clip, RATE, [step]) - clip
        ratio = 20 * np.log10(dsp.active_rms(clip, RATE) / dsp.rms(noise))
        assert ratio == pytest.approx(10, abs=0.2)


def test_noise_colours_slope(clip: dsp.Samples) -> None:
    def octaves(kind: str) -> float:
        power = np.abs(np.fft.rfft(augment.make_noise(kind, RATE * 4, RATE, 0))) ** 2
        low, high = power[4 * 500 : 4 * 1000].mean(), power[4 * 4000 : 4 * 8000].mean()
        return float(10 * np.log10(low / high) / 3)

    assert octaves("white") == pytest.approx(0, abs=0.3)
    assert octaves("pink") == pytest.approx(3, abs=0.3)
    assert octaves("brown") == pytest.approx(6, abs=0.4)


def test_telephone_has_its_band(clip: dsp.Samples) -> None:
    power = np.abs(np.fft.rfft(augment.apply(clip, RATE, [{"name": "telephone", "law": "mu"}]))) ** 2
    hertz = np.fft.rfftfreq(len(clip), 1 / RATE)
    band = power[(hertz > 300) & (hertz < 3400)].sum()
    assert power[hertz > 4200].sum() < 1e-3 * band and power[hertz < 100].sum() < 1e-2 * band


def test_speed_changes_the_length(clip: dsp.Samples) -> None:
    assert len(augment.apply(clip, RATE, [{"name": "speed", "factor": 1.1}])) == pytest.approx(
        len(clip) / 1.1, abs=2
    )


def test_silence_comes_behind(clip: dsp.Samples) -> None:
    longer = augment.apply(clip, RATE, [{"name": "silence", "seconds": 0.25}])
    assert len(longer) == len(clip) + RATE // 4
    assert not longer[len(clip) :].any() and np.array_equal(longer[: len(clip)], clip)
    assert all(
        0 <= step["seconds"] <= 0.8
        for s in range(9)
        for step in augment.draw({"silence": 1.0}, np.random.default_rng(s))
    )


def test_draws_depend_on_the_generator_only_and_steps_are_independent() -> None:
    everything = dict.fromkeys(augment.DEFAULT, 1.0)
    full = augment.draw(everything, np.random.default_rng(3))
    assert full == augment.draw(everything, np.random.default_rng(3))
    assert full != augment.draw(everything, np.random.default_rng(4))
    only = augment.draw({"noise": 1.0}, np.random.default_rng(3))
    assert only == tuple(step for step in full if step["name"] == "noise")
    assert augment.draw({}, np.random.default_rng(3)) == ()


def test_probabilities_are_met() -> None:
    rng = np.random.default_rng(0)
    counts = sum(len(augment.draw({"gain": 0.3}, rng)) for _ in range(2000))
    assert 520 < counts < 680


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("none", {}),
        ("", {}),
        ("default", dict(augment.DEFAULT)),
        ("noise=0.3, gain=1", {"noise": 0.3, "gain": 1.0}),
        ({"speed": 0.5}, {"speed": 0.5}),
    ],
)
def test_parsing(text: Any, expected: dict[str, float]) -> None:
    assert augment.parse_probabilities(text) == expected


@pytest.mark.parametrize("text", ["echo=0.3", "noise=2", "noise=nan", "noise=", "noise=x", {"noise": -0.1}])
def test_bad_probabilities(text: Any) -> None:
    with pytest.raises(OptionError, match="augmentation: "):
        augment.parse_probabilities(text)


def test_unknown_steps_and_noises_are_refused(clip: dsp.Samples) -> None:
    with pytest.raises(OptionError, match="no step 'echo'"):
        augment.apply(clip, RATE, [{"name": "echo"}])
    with pytest.raises(OptionError, match="no noise 'green'"):
        augment.make_noise("green", 10, RATE, 0)


@pytest.mark.parametrize("length", [0, 1, 2, 50])
def test_tiny_clips_do_not_break_a_step(length: int) -> None:
    steps = [
        step
        for name in augment.DEFAULT
        if name != "codec"
        for step in augment.draw({name: 1.0}, np.random.default_rng(1))
    ]
    for step in steps:
        assert np.isfinite(augment.apply(np.full(length, 0.1, np.float32), RATE, [step])).all()
