"""The report: what it says, that it holds together, and that a real browser draws it."""

from __future__ import annotations

import base64
import io
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from unislu.errors import MissingDependencyError, OptionError, UnisluError
from unislu.evaluation.evaluate import Evaluation, EvaluationSettings, assemble, score_dataset
from unislu.evaluation.predict import read_datasets
from unislu.evaluation.profiles import PROFILES
from unislu.evaluation.provenance import provenance
from unislu.evaluation.question import Prediction
from unislu.evaluation.report import write_report
from unislu.evaluation.report.audio import AudioOptions, to_opus
from unislu.evaluation.report.costliest import costliest, marked

from .. import needs
from .conftest import write_corpus

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
SCORES = {"neutral": 0.7, "positive": 0.2, "negative": 0.1}
ANSWERS = [
    Prediction("r0", "We met Hannah in Berlin on Monday.",
               (("PERSON", "Hannah"), ("PLACE", "Berlin"), ("ORG", "Monday")), "neutral", SCORES,
               (0.9, 0.8, 0.4), 0.5, 0.1),
    Prediction("r1", "The council made <b>great</b> progress & more.", (("ORG", "council"),), "neutral",
               SCORES, (0.95,), 0.55, 0.1),
    Prediction("r2", "Nothing happened at all.", (), "negative", None, None, 0.6, 0.1),
    Prediction("r3", "euros were lost", (), "mixed", None, None, 0.65, 0.1),
]  # fmt: skip


def evaluated(manifest: Path, system: str = "<i>tiny</i> 1", **changes: Any) -> Evaluation:
    settings = EvaluationSettings("slue", samples=30, **changes)
    (data,) = read_datasets([manifest])
    part = score_dataset(data, ANSWERS, settings, "closed", None)
    made = assemble(system, settings, [data], {data.name: part})
    command = ["unislu", "evaluate", "default", "/data/of/mine/tones/manifest.jsonl"]
    about = {"sha256": {"encoder.onnx": "ab" * 32}, "options": {"bias": 0}}
    facts = provenance([data], about, seed=0, command=command)
    return replace(made, provenance=facts)


@pytest.fixture
def folder(manifest: Path, tmp_path: Path) -> Path:
    (tmp_path / "bias_curve.png").write_bytes(PIXEL)
    write_report(evaluated(manifest), tmp_path / "out", figures=[tmp_path / "bias_curve.png"])
    return tmp_path / "out"


class Page(HTMLParser):
    """Collects tags, checks that they close in order."""

    void = frozenset({"meta", "link", "img"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in self.void:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_loads_nothing(folder: Path) -> None:
    text = (folder / "report.html").read_text(encoding="utf-8")
    seen = Page(text).seen
    sources = [a[k] for _, a in seen for k in ("src", "href") if k in a]
    assert sources and all(str(s).startswith(("data:", "#")) for s in sources)
    assert not re.search(r"https?://|@import|url\(", text)
    ids = [a["id"] for _, a in seen if "id" in a]
    assert len(ids) == len(set(ids))
    assert {"summary", "entities", "sentiment", "curves", "worst", "provenance"} <= set(ids)
    assert {str(a["href"])[1:] for t, a in seen if t == "a"} <= set(ids)


def test_everything_from_outside_is_escaped(folder: Path) -> None:
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert "<i>tiny</i>" not in text and "&lt;i&gt;tiny&lt;/i&gt; 1" in text
    assert "<b>great</b>" not in text and "&lt;b&gt;great&lt;/b&gt;" in text


def test_names_of_types_cannot_leave_their_attributes(tmp_path: Path) -> None:
    hostile = """x" onmouseover="alert(1)'<script>"""
    manifest = write_corpus(tmp_path / "tones", {"PERSON": hostile})
    (data,) = read_datasets([manifest])
    settings = EvaluationSettings("slue", samples=5)
    answers = [replace(ANSWERS[0], entities=(("PLACE", hostile),), confidences=None), *ANSWERS[1:]]
    part = score_dataset(data, answers, settings, "open", None)
    page = write_report(assemble(hostile, settings, [data], {data.name: part}), tmp_path / "out")
    text = page.read_text(encoding="utf-8")
    assert text.count("<script>") == 1 and "alert(1)" in text
    assert not any(name.startswith("on") for _, attributes in Page(text).seen for name in attributes)


def test_without_jinja_it_says_what_to_install(
    manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(MissingDependencyError, match=r'needs jinja2: pip install "\.\[eval\]"'):
        write_report(evaluated(manifest), tmp_path / "out")


def test_the_figures_are_those_of_the_scores(folder: Path) -> None:
    text = (folder / "report.html").read_text(encoding="utf-8")
    # r0: 1 of 7 substituted; r1: 1 of 5 substituted, 2 inserted; r2: 4, all right; r3: 2 of 5 deleted
    plain = json.loads((folder / "report.json").read_text())
    words = plain["manifests"][0]["scores"]["words"]
    assert (words["words"], words["substitutions"], words["insertions"], words["deletions"]) == (21, 2, 2, 2)
    assert ">28.6<" in text  # 6 of 21
    assert plain["manifests"][0]["scores"]["entity_errors"]["kinds"] == {
        "correct": 2, "misheard": 1, "type": 1, "boundary": 0, "overlap": 0, "missed": 1, "spurious": 0
    }  # fmt: skip
    assert plain["provenance"]["data"][0]["manifest"] == "…/tones/manifest.jsonl"
    assert "/data/of" not in text


def test_the_worst_come_first_with_their_differences(manifest: Path) -> None:
    cases = costliest(evaluated(manifest))
    # r3: 2 words, 1 entity, sentiment = 6; r0: 1 word, 2 entities = 5; r1: 3 words, sentiment = 5
    assert [(c.utterance.id, c.cost) for c in cases] == [("r3", 6), ("r0", 5), ("r1", 5)]
    assert len(costliest(evaluated(manifest), 1)) == 1
    gold = marked(cases[1].utterance, "gold")
    assert [(tuple(w for w, _ in p.words), p.type, p.kind) for p in gold] == [
        (("we", "met"), None, None),
        (("anna",), "person", "misheard"),
        (("in",), None, None),
        (("berlin",), "place", "correct"),
        (("on",), None, None),
        (("monday",), "when", "type"),
    ]
    assert gold[1].words == (("anna", "substituted"),)
    found = [w for p in marked(cases[2].utterance, "found") for w in p.words]
    assert found[-2:] == [("&", "inserted"), ("more", "inserted")]


def test_markdown_is_a_page_of_tables(folder: Path) -> None:
    text = (folder / "report.md").read_text(encoding="utf-8")
    assert text.startswith("# <i>tiny</i> 1: evaluation\n")
    assert "| data | utterances | WER | entity F1 | label-F1 | sentiment macro-F1 | accuracy | RTFx |" in text
    assert "| tones (closed set, sentiment) | 4 | 28.6 (" in text
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert len({line.replace("\\|", "").count("|") for line in block.splitlines()}) == 1, block
    assert "sha256 `abab" in text


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_is_named(manifest: Path, tmp_path: Path, name: str) -> None:
    (data,) = read_datasets([manifest])
    settings = EvaluationSettings(name, samples=5)
    part = score_dataset(data, ANSWERS, settings, "closed", None)
    page = write_report(assemble("a", settings, [data], {data.name: part}), tmp_path / "out")
    for path in (page, page.with_suffix(".md")):
        assert f"Profile {name}: " in path.read_text(encoding="utf-8")


def test_audio_is_embedded_up_to_a_limit_then_linked(manifest: Path, tmp_path: Path) -> None:
    import av

    opus = to_opus(manifest.parent / "0.wav")
    assert len(opus) < 8_000
    with av.open(io.BytesIO(opus)) as container:
        stream = container.streams.audio[0]
        assert stream.codec_context.name in ("opus", "libopus")
        samples = sum(frame.samples for frame in container.decode(stream))
    assert samples / 48_000 == pytest.approx(0.5, abs=0.05)

    def sources(**options: Any) -> list[str]:
        write_report(evaluated(manifest), tmp_path / "out", audio=AudioOptions(**options))
        seen = Page((tmp_path / "out" / "report.html").read_text(encoding="utf-8")).seen
        return [str(a["src"]) for t, a in seen if t == "audio"]

    assert [s[:22] for s in sources()] == ["data:audio/ogg;base64,"] * 3
    assert sources(mode="link") == ["../tones/3.wav", "../tones/0.wav", "../tones/1.wav"]
    assert sources(megabytes=0) == sources(mode="link")
    assert sources(mode="none") == []
    (manifest.parent / "3.wav").unlink()
    assert len(sources()) == 2 and "no audio: " in (tmp_path / "out" / "report.html").read_text(
        encoding="utf-8"
    )


def test_four_classes_and_no_errors(manifest: Path, tmp_path: Path) -> None:
    page = write_report(evaluated(manifest, classes=4), tmp_path / "four")
    assert "4 classes" in page.read_text(encoding="utf-8")
    (data,) = read_datasets([manifest])
    bare = replace(data, records=tuple(replace(r, entities=None, sentiment=None) for r in data.records[:1]))
    settings = EvaluationSettings("slue", samples=5)
    part = score_dataset(bare, [Prediction("r0", bare.records[0].text)], settings, None, None)
    page = write_report(assemble("right 1", settings, [bare], {bare.name: part}), tmp_path / "right")
    text = page.read_text(encoding="utf-8")
    assert "Every utterance is right." in text and "Entities</h2>" not in text and "Curves" not in text
    # Wrong words alone: there is no case of a wrong entity or sentiment to link to.
    part = score_dataset(bare, [Prediction("r0", "Else.")], settings, None, None)
    page = write_report(assemble("wrong 1", settings, [bare], {bare.name: part}), tmp_path / "wrong")
    text = page.read_text(encoding="utf-8")
    assert "Every utterance is right." not in text and "else" in text and Page(text).seen


def test_bad_options(manifest: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="choose embed, link or none"):
        AudioOptions("stream")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="nan MB"):
        AudioOptions(megabytes=float("nan"))
    with pytest.raises(OptionError, match=r"\.svg or a \.png"):
        write_report(evaluated(manifest), tmp_path, figures=["curve.pdf"])
    with pytest.raises(OptionError, match="cannot be read"):
        write_report(evaluated(manifest), tmp_path, figures=["none.svg"])
    (tmp_path / "file").write_text("")
    with pytest.raises(UnisluError, match="choose another --report"):
        write_report(evaluated(manifest), tmp_path / "file")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A real headless Chromium that is installed on this machine."""
    sync_api = pytest.importorskip("playwright.sync_api")
    executable = needs.chromium()
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_draws_it_without_complaint(browser: Any, folder: Path, scheme: str) -> None:
    page = browser.new_page(viewport={"width": 1200, "height": 800}, color_scheme=scheme)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", lambda request: complaints.append(request.url[:80]))
    page.goto((folder / "report.html").as_uri())
    assert page.locator("h1").inner_text() == "<i>tiny</i> 1"
    assert page.locator(".case:visible").count() == 3
    page.get_by_role("button", name="wrong entities").click()
    assert page.locator(".case:visible").count() == 2
    for selector in (".whisker", "table.heat", ".reliability svg", ".stack", ".curve img", "audio"):
        box = page.locator(selector).first.bounding_box()
        assert box is not None and box["width"] > 10 and box["height"] > 5, selector
    duration = page.evaluate(
        "async () => { const a = document.querySelector('audio'); a.preload = 'metadata'; a.load();"
        " await new Promise((r, e) => { a.onloadedmetadata = r; a.onerror = () => e(new Error('mute')); });"
        " return a.duration; }"
    )
    assert 0.3 < duration < 1.0
    for width in (1200, 400):  # nothing sticks out at the side
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert _contrast(page, "--text") >= 7 and _contrast(page, "--soft") >= 4.5
    assert _contrast(page, "--accent") >= 4.5 and _contrast(page, "--bad") >= 4.5
    assert complaints == []


def _contrast(page: Any, name: str) -> float:
    """WCAG contrast of a colour of the style sheet on the page and on cards, the lesser one."""
    ratio: float = page.evaluate(
        """(name) => {
          const style = getComputedStyle(document.documentElement);
          const light = (variable) => {
            const hex = style.getPropertyValue(variable).trim();
            const parts = [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16) / 255)
              .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
            return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
          };
          const ratios = ["--page", "--card"].map((under) => {
            const [a, b] = [light(name), light(under)].sort((x, y) => y - x);
            return (a + 0.05) / (b + 0.05);
          });
          return Math.min(...ratios);
        }""",
        name,
    )
    return ratio
