"""The MIT sets for other projects' trainers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from unislu.cli import main

ROOT = Path(__file__).parents[2]
SENTENCES = "B-Restaurant_Name\tthe\nI-Restaurant_Name\tpalm\nO\tnear\nB-Location\tus\n\nO\topen\nO\tnow\n"


def test_words_and_tags_of_both_trainers(tmp_path: Path) -> None:
    (tmp_path / "some.bio").write_text(SENTENCES)
    for part in ("train", "dev", "test"):
        out = tmp_path / "texts" / part
        assert main(["prepare", "mit", str(tmp_path / "some.bio"), str(out), "--split", part]) == 0
    script = ROOT / "recipes" / "whisperner" / "tagger_data.py"
    subprocess.run([sys.executable, script, tmp_path / "texts", tmp_path / "out"], check=True)
    assert json.loads((tmp_path / "out" / "train.json").read_text()) == [
        {"tokenized_text": ["the", "palm", "near", "us"],
         "ner": [[0, 1, "restaurant name"], [3, 3, "location"]]},
        {"tokenized_text": ["open", "now"], "ner": []},
    ]  # fmt: skip
    assert (tmp_path / "out" / "dev.txt").read_text() == (
        "the\tB-restaurant name\npalm\tI-restaurant name\nnear\tO\nus\tB-location\n\nopen\tO\nnow\tO\n"
    )
    assert (tmp_path / "out" / "label.txt").read_text() == "location\nrestaurant name\n"
