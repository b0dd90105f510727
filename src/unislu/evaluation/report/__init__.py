"""The report of an evaluation: a self-contained HTML page, a Markdown page, and JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from unislu.errors import UnisluError
from unislu.evaluation.evaluate import Evaluation
from unislu.evaluation.report.audio import AudioOptions, Players
from unislu.evaluation.report.costliest import SHOWN, costliest
from unislu.evaluation.report.figures import read_figures
from unislu.evaluation.report.html import page
from unislu.evaluation.report.markdown import text

HTML, MARKDOWN, JSON = "report.html", "report.md", "report.json"


def write_report(
    evaluation: Evaluation,
    folder: Path,
    *,
    audio: AudioOptions | None = None,
    figures: Sequence[str | Path] = (),
    count: int = SHOWN,
) -> Path:
    """Write `report.html`, `report.md` and `report.json`; return the page's path.

    Args:
        evaluation: what is shown.
        folder: the report's folder, which is created.
        audio: how the page plays the worst utterances.
        figures: SVG or PNG files (curves) to include.
        count: worst utterances shown.

    Raises:
        OptionError: a figure that cannot be read.
        UnisluError: the folder cannot be written.
    """
    drawn = read_figures(figures)
    cases = costliest(evaluation, count)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        players = Players(audio or AudioOptions(), folder)
        (folder / HTML).write_text(page(evaluation, cases, players, drawn), encoding="utf-8")
        (folder / MARKDOWN).write_text(text(evaluation, cases), encoding="utf-8")
        plain = json.dumps(evaluation.to_dict(), indent=1, ensure_ascii=False, allow_nan=False)
        (folder / JSON).write_text(plain + "\n", encoding="utf-8")
    except OSError as error:
        raise UnisluError(
            f"{folder}: cannot be written ({error.strerror}); choose another --report"
        ) from None
    return folder / HTML
