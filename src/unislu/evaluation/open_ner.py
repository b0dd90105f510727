"""Open-type evaluation after WhisperNER: for each example its own types and as many absent ones are
requested.

The absent types come from a generator seeded with the example's id, so that the questions do not
depend on the order of the examples, on the process, or on the hash seed.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable


def balanced_types(
    example: str, positives: Iterable[str], all_types: Iterable[str], *, seed: int = 0, minimum: int = 1
) -> tuple[str, ...]:
    """The types to request for an example, shuffled: its positive types and equally many negative ones.

    Args:
        example: the example's id.
        positives: the types annotated in it.
        all_types: every type of the data set; negatives are drawn from the rest of them.
        seed: another draw of negatives.
        minimum: negatives for an example without any entity (which WhisperNER, section 3.2, also requests).
    """
    wanted = sorted(set(positives))
    others = sorted(set(all_types) - set(wanted))
    digest = hashlib.blake2b(f"{seed}\0{example}".encode(), digest_size=8).digest()
    generator = random.Random(int.from_bytes(digest, "big"))
    count = min(len(others), max(len(wanted), minimum))
    types = wanted + generator.sample(others, count)
    generator.shuffle(types)
    return tuple(types)
