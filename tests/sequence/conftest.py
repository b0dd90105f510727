"""A small Whisper-like tokenizer, trained here, with the traps of the real one.

As in Whisper's file, `<|endoftext|>` is in the BPE's vocabulary and among the added tokens, one token
writes nothing, the no-speech token goes by its other name, and the embedding has rows (timestamps)
that the file does not list.
"""

from __future__ import annotations

import json

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from unislu.sequence import FORMATS, SLUE, Alphabet, Format, Vocabulary, WhisperTokenizer, get_format

SENTENCES = [
    "This council made great progress in Paris, and the council of New York did not.",
    "On the first of May 2021 the European Commission paid 1,000 euros to Mr. O'Neill.",
    'the <occupation>astronaut<occupation>> explored the "><person>Moon<person>> for </b>',
    "The(O) astronaut(B-occupation) explored(O) New(B-place) York(I-place).",
    "[ORG]council[/ORG] of [PLACE]Rome[/PLACE][T/L][SA]Positive [T/L][NER][ORG]",
    "Negative Neutral Positive Mixed person place phone-number organisation",
    "Grüße aus Köln 😀😁 東京 e\u0301 naïve \\ \\\\ \\< (x) [y]",
] * 4
SPECIAL = [
    "<|endoftext|>",
    "<|startoftranscript|>",
    "<|en|>",
    "<|de|>",
    "<|transcribe|>",
    "<|startofprev|>",
    "<|nocaptions|>",
    "<|notimestamps|>",
]
UNLISTED = 30
WRITINGS = [
    (name, alphabet)
    for name in FORMATS
    for alphabet in Alphabet
    if alphabet is Alphabet.ATOMIC or not name.startswith("copy")
]
"""Every format with the alphabets that it has."""


def tokenizer_json() -> str:
    """The tokenizer.json as text."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=600, initial_alphabet=alphabet, show_progress=False)
    bpe.train_from_iterator(SENTENCES, trainer)
    raw = json.loads(bpe.to_str())
    vocabulary = raw["model"]["vocab"]
    vocabulary[""] = len(vocabulary)
    vocabulary[SPECIAL[0]] = first = len(vocabulary)
    raw["added_tokens"] = [
        {
            "id": first + number,
            "content": name,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": True,
        }
        for number, name in enumerate(SPECIAL)
    ]
    return json.dumps(raw)


@pytest.fixture(scope="session")
def definition() -> str:
    return tokenizer_json()


@pytest.fixture(scope="session")
def tokenizer(definition: str) -> WhisperTokenizer:
    return WhisperTokenizer(definition)


@pytest.fixture(scope="session")
def rows(tokenizer: WhisperTokenizer) -> int:
    """Rows of the embedding before it is extended: more than the tokenizer lists."""
    return max(tokenizer.special_tokens.values()) + 1 + UNLISTED


@pytest.fixture(scope="session")
def vocabulary(tokenizer: WhisperTokenizer, rows: int) -> Vocabulary:
    return Vocabulary.extend(tokenizer, rows, tokenizer.special_tokens, SLUE)


@pytest.fixture(scope="session")
def formats(vocabulary: Vocabulary) -> dict[tuple[str, Alphabet], Format]:
    """Every format in every alphabet that it has."""
    return {(name, alphabet): get_format(name, vocabulary, alphabet) for name, alphabet in WRITINGS}
