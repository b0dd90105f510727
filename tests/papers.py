"""The page "reproduce the papers" as a script, and every source it names in its published layout, tiny."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet

from .data.test_annotate import Endpoint, answer
from .data.test_prepare import TEXT, clip

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "how-to" / "reproduce-papers.md"
PARTS = ("fine-tune", "dev", "test")
#: The hub's names of them.
HUB_PARTS = ("train", "validation", "test")
SPOKEN = "he hoped for rome"
SENTIMENTS = (("Positive", "i love it"), ("Negative", "that was bad"), ("Neutral", "well it was there"))
ENTITIES = (("ORG", 4, 19), ("GPE", 27, 10), ("DATE", 45, 6))
LIBRISPEECH = ("train-clean-100", "train-clean-360", "train-other-500", "dev-clean", "test-clean")
#: Sections with commands of the data, of UniSLU and of WhisperNER.
SLUE_DATA = ("SLUE and LibriSpeech", "SLUE from the hub")
OPEN_DATA = ("NuNER and MIT, spoken", "WhisperNER's test sets")
UNISLU = ("1. Try the recipe", "3. Train, three seeds", "4. Evaluate", "Separate models", "Speech LLM")
WHISPERNER = ("Table I", "Table II, Figures 3 and 4", "Table III", "Table IV and Figure 5",
              "The published checkpoint as a bundle")  # fmt: skip
#: What stands in for what cannot be fetched, and for a size.
STANDS_FOR = {"hf:numind/NuNER": "nuner", "hf:asapp/slue": "hub", "350000": "300"}


def sections() -> dict[str, str]:
    """Each heading of the page and what stands below it, up to the next one."""
    parts = re.split(r"^#+ (.+)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def blocks(language: str, headings: Collection[str]) -> list[str]:
    """The page's blocks of a language under some headings, in the page's order."""
    fence = re.compile(rf"^```{language}\n(.*?)^```", re.MULTILINE | re.DOTALL)
    return [block for name, text in sections().items() if name in headings for block in fence.findall(text)]


def commands(folder: Path, headings: Collection[str], **variables: str) -> Iterator[list[str]]:
    """The commands under some headings, word by word, loops and variables expanded by bash."""
    script = "".join(blocks("sh", headings)).replace("export DATA=", ": ").replace("VOICES=", ": ")
    record = "".join(
        f'{name}() {{ printf "%s\\0" {name} "$@" >> calls; printf "\\n\\0" >> calls; }}\n'
        for name in ("unislu", "hf", "pip")
    )
    environment = variables | {"PATH": "/bin:/usr/bin"}
    subprocess.run(["bash", "-euc", record + script], cwd=folder, env=environment, check=True)
    calls = (folder / "calls").read_text().split("\0")
    (folder / "calls").unlink()
    call: list[str] = []
    for word in calls[:-1]:
        if word == "\n":
            yield [STANDS_FOR.get(part, part) for part in call]
            call = []
        else:
            call.append(word)


def published(folder: Path, endpoint: Endpoint, blind: bool = False) -> None:
    """Every source of the page, a few sentences each; `blind`: SLUE-VoxPopuli's test set has no labels."""
    endpoint.answers[SPOKEN] = [answer(("rome", "city"))]
    _slue(folder, blind)
    _hub(folder)
    for number, part in enumerate(LIBRISPEECH):
        chapter = folder / "LibriSpeech" / part / f"{number}" / "7"
        clip(chapter / f"{number}-7-0000.flac")
        (chapter / f"{number}-7.trans.txt").write_text(f"{number}-7-0000 {SPOKEN.upper()}\n")
    fleurs = folder / "fleurs" / "en_us"
    clip(fleurs / "audio" / "test" / "77.flac").rename(fleurs / "audio" / "test" / "77.wav")
    (fleurs / "test.tsv").write_text(f"12\t77.wav\tHe hoped for Rome.\t{SPOKEN}\th e |\t16000\tFEMALE\n")
    for language in ("es", "fr"):
        spoken = folder / "voxpopuli" / "transcribed_data" / language
        name = f"20120316-0900-PLENARY-4-{language}_20120316-09:01:00_0"
        clip(spoken / "2012" / "a.flac").rename(spoken / "2012" / f"{name}.ogg")
        head = "id\traw_text\tnormalized_text\tspeaker_id\tsplit\tgender\n"
        (spoken / "asr_test.tsv").write_text(f"{head}{name}\tHe hoped.\t{SPOKEN}\t7\ttest\tmale\n")
    (folder / "mit").mkdir()
    for name in ("eng", "restaurant"):
        for part, count in (("train", 40), ("test", 2)):
            text = "".join(f"O\tplay{n}\nB-GENRE\tdrama\n\n" for n in range(count))
            (folder / "mit" / f"{name}{part}.bio").write_text(text)
    clip(folder / "voxpopuli-ner" / "audio" / "x.flac")
    row = {"text": TEXT, "audio": "audio/x.flac", "ner": [[27, 37, "city", "strasbourg", "why"]]}
    (folder / "voxpopuli-ner" / "test.json").write_text(json.dumps([row]))
    rows = [{"input": f"number {n} is Rome", "output": "['Rome <> city']"} for n in range(1500)]
    _parquet(folder / "nuner" / "default" / "entity", rows)


def _slue(folder: Path, blind: bool) -> None:
    """SLUE as its own archives unpack."""
    vp, vc = folder / "slue-voxpopuli", folder / "slue-voxceleb"
    vp.mkdir()
    vc.mkdir()
    for part in PARTS:
        unlabelled = blind and part == "test"
        labels = "" if unlabelled else "\traw_ner\tnormalized_ner"
        values = "" if unlabelled else f"\t[]\t{[list(entity) for entity in ENTITIES]}"
        (vp / f"slue-voxpopuli_{part}{'_blind' if unlabelled else ''}.tsv").write_text(
            f"id\traw_text\tnormalized_text\tspeaker_id\tsplit{labels}\n"
            f"p-{part}\t{TEXT}.\t{TEXT}\t23\t{part}{values}\n"
        )
        clip(vp / part / "a.flac", 3.0).rename(vp / part / f"p-{part}.ogg")
        rows = ["id\tnormalized_text\tsentiment\tspeaker_id\tsplit\tstart_second\tend_second"]
        for number, (label, text) in enumerate(SENTIMENTS):
            rows.append(f"c-{part}-{number}\t{text}\t{label}\tid1\t{part}\t0.5\t1.75")
            clip(vc / f"{part}_raw" / f"c-{part}-{number}.flac", 2.0)
        (vc / f"slue-voxceleb_{part}.tsv").write_text("\n".join(rows) + "\n")


def _hub(folder: Path) -> None:
    """The same sentences as the hub's Parquet files of `asapp/slue`."""
    for part, name in zip(PARTS, HUB_PARTS, strict=True):
        vp = folder / "slue-voxpopuli" / part / f"p-{part}.ogg"
        listed = [dict(zip(("type", "start", "length"), entity, strict=True)) for entity in ENTITIES]
        raw = {key: [entity[key] for entity in listed] for key in ("type", "start", "length")}
        combined = {**raw, "type": ["ORG", "PLACE", "WHEN"]}
        texts = {"raw_text": f"{TEXT}.", "normalized_text": TEXT, "raw_ner": raw, "normalized_ner": raw,
                 "raw_combined_ner": combined, "normalized_combined_ner": combined}  # fmt: skip
        audio = {"bytes": vp.read_bytes(), "path": vp.name}
        row = {"id": f"p-{part}", "audio": audio, "speaker_id": "23", "split": name, **texts}
        _parquet(folder / "hub" / "voxpopuli" / name, [row])
        rows = []
        for number, (label, text) in enumerate(SENTIMENTS):
            flac = folder / "slue-voxceleb" / f"{part}_raw" / f"c-{part}-{number}.flac"
            audio = {"bytes": flac.read_bytes(), "path": flac.name}
            rows.append({"id": f"c-{part}-{number}", "audio": audio, "speaker_id": "id1", "split": name,
                         "normalized_text": text, "sentiment": label, "start_second": 0.5,
                         "end_second": 1.75})  # fmt: skip
        _parquet(folder / "hub" / "voxceleb" / name, rows)


def _parquet(folder: Path, rows: list[dict[str, Any]]) -> None:
    folder.mkdir(parents=True)
    parquet.write_table(pa.Table.from_pylist(rows), folder / "0000.parquet")
