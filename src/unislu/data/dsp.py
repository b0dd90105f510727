"""Signal processing in numpy: resampling, filtering, level. One-dimensional float32 signals throughout.

Whole clips are transformed at once: they are a few seconds long, and a transform of the whole clip gives
an ideal band limit without a filter design. The clips begin and end in silence, so wrapping does not matter.
"""

from __future__ import annotations

from math import gcd
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Samples: TypeAlias = NDArray[np.float32]

_TRANSITION = 0.05
"""Width of the roll-off below the new Nyquist frequency, as a share of it; a brick wall would ring."""


def resample(samples: Samples, source: int, target: int) -> Samples:
    """Change the sample rate from `source` to `target` Hz; length `[ceil(n * target / source)]`."""
    if source == target or not len(samples):
        return samples.astype(np.float32, copy=False)
    divisor = gcd(source, target)
    up, down = target // divisor, source // divisor
    blocks = fast_length(-(-len(samples) // down) + 1)
    spectrum = np.fft.rfft(samples, blocks * down)
    bins = min(blocks * up, blocks * down) // 2 + 1
    if up < down:
        edge = max(1, int(bins * _TRANSITION))
        spectrum[bins - edge : bins] *= 0.5 + 0.5 * np.cos(np.pi * np.arange(1, edge + 1) / edge)
    result = np.fft.irfft(spectrum[:bins], blocks * up) * (up / down)
    return result[: -(-len(samples) * up // down)].astype(np.float32)


def fast_length(minimum: int) -> int:
    """The smallest 2^a 3^b 5^c of at least `minimum`, a length at which transforms are fast."""
    best = 1 << max(0, minimum - 1).bit_length()
    fives = 1
    while fives < best:
        threes = fives
        while threes < best:
            quotient = -(-minimum // threes)
            best = min(best, threes << max(0, quotient - 1).bit_length())
            threes *= 3
        fives *= 5
    return best


def convolve(samples: Samples, response: Samples) -> Samples:
    """Linear convolution, cut to the length of `samples`."""
    length = fast_length(len(samples) + len(response) - 1)
    product = np.fft.rfft(samples, length) * np.fft.rfft(response, length)
    return np.fft.irfft(product, length)[: len(samples)].astype(np.float32)


def shape_spectrum(samples: Samples, rate: int, gains: list[tuple[float, float]]) -> Samples:
    """Filter by a gain curve: `(frequency in Hz, linear gain)` points, linear in between."""
    if not len(samples):
        return samples
    length = fast_length(len(samples))
    frequencies = np.fft.rfftfreq(length, 1 / rate)
    curve = np.interp(frequencies, [point[0] for point in gains], [point[1] for point in gains])
    return np.fft.irfft(np.fft.rfft(samples, length) * curve, length)[: len(samples)].astype(np.float32)


def rms(samples: Samples) -> float:
    """Root mean square; 0 for no samples."""
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if len(samples) else 0.0


def active_rms(samples: Samples, rate: int) -> float:
    """Root mean square of the 20 ms frames within 40 dB of the loudest: the level of the speech alone."""
    frame = max(1, rate // 50)
    whole = len(samples) // frame * frame
    if not whole:
        return rms(samples)
    energy = np.mean(np.square(samples[:whole].reshape(-1, frame), dtype=np.float64), axis=1)
    return float(np.sqrt(np.mean(energy[energy >= energy.max() * 1e-4])))


def trim(samples: Samples, rate: int) -> Samples:
    """Cut leading and trailing silence, 45 dB below the peak, except for 20 ms on both sides."""
    if not len(samples):
        return samples
    magnitude = np.abs(samples)
    loud = np.flatnonzero(magnitude > magnitude.max() * 10 ** (-45 / 20))
    if not len(loud):
        return samples[:0]
    margin = int(0.02 * rate)
    return samples[max(0, loud[0] - margin) : loud[-1] + 1 + margin]


def pad(samples: Samples, rate: int, seconds: float) -> Samples:
    """Add `seconds` of silence at both ends."""
    return np.pad(samples, round(seconds * rate)).astype(np.float32)


def limit(samples: Samples, peak: float = 0.99) -> Samples:
    """Scale down to `peak` where the signal exceeds it."""
    highest = float(np.max(np.abs(samples))) if len(samples) else 0.0
    return samples if highest <= peak else (samples * (peak / highest)).astype(np.float32)


def set_level(samples: Samples, rate: int, level_db: float) -> Samples:
    """Bring the speech to `level_db` (dB of full scale, root mean square), without clipping."""
    level = active_rms(samples, rate)
    if not level:
        return samples
    return limit((samples * (10 ** (level_db / 20) / level)).astype(np.float32))
