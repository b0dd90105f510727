"""The parts of the web page, in a real browser: a result with speakers, and what is done with it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unislu.audio import load_audio

from .conftest import JFK, wav
from .pages import choose, conversation, download, hold, in_view, until, when, without_speakers

TABS = ("text", "entities", "sentiment", "speakers", "redact", "download")


@pytest.fixture
def talk(page: Any) -> Any:
    """The page of a server for which whatever is sent is one conversation."""
    page.unroute_all()
    page.route(re.compile("/v1/info"), lambda route: route.fulfill(json=_with_presets(route.fetch().json())))
    page.route(re.compile("/v1/analyze"), lambda route: route.fulfill(json=conversation()))
    page.reload()
    page.wait_for_selector("#types li")
    yield page
    page.unroute_all(behavior="ignoreErrors")


def _with_presets(info: dict[str, Any]) -> dict[str, Any]:
    """What the server says of itself, with shorter presets."""
    presets = {"pii": ["person", "phone number"], "meeting": ["person", "date"]}
    return {**info, "presets": presets}


def test_speakers_have_names_and_colours(talk: Any, clip: Path) -> None:
    choose(talk, clip)
    assert talk.inner_text("#tab-speakers").split() == ["Speakers", "2"]
    assert talk.locator("#text .who").all_inner_texts() == ["S1", "S2", "S1"]
    hues = [
        talk.evaluate("n => document.querySelectorAll('#text .line')[n].style.getPropertyValue('--hue')", n)
        for n in range(3)
    ]
    assert hues[0] == hues[2] != hues[1] != ""
    talk.click("#tab-speakers")
    assert talk.locator("#lanes li").count() == 2 and "67 %" in talk.inner_text("#lanes li >> nth=0")
    assert talk.locator("#lanes li >> nth=0").locator(".lane i").count() == 2
    talk.fill("#lanes input >> nth=1", "Mrs Jones")
    talk.keyboard.press("Enter")
    talk.click("#tab-text")
    assert talk.locator("#text .who").all_inner_texts() == ["S1", "Mrs Jones", "S1"]
    talk.click("#copy")
    until(talk, "document.getElementById('copy').textContent === 'Copied'")
    copied = talk.evaluate("navigator.clipboard.readText()").splitlines()
    assert copied[0].startswith("S1: Good morning") and copied[1].startswith("Mrs Jones: Hello, my delivery")
    talk.click("#tab-download")
    name, data = download(talk, "[data-format=rttm]")
    assert name == "call.rttm" and b"<NA> <NA> Mrs_Jones <NA>" in data and b" S2 " not in data


def test_an_entity_across_a_change_of_speaker_is_marked_in_both_lines(page: Any, clip: Path) -> None:
    result = conversation()
    result["entities"] = [
        {**result["entities"][0], "text": "Northwind. Hello", "type": "X",
         "start_char": result["text"].index("Northwind"), "end_char": result["text"].index("Hello") + 5}
    ]  # fmt: skip
    page.route(re.compile("/v1/analyze"), lambda route: route.fulfill(json=result))
    choose(page, clip)
    assert page.locator("#text mark .w").all_inner_texts() == ["Northwind.", "Hello"]
    assert page.locator("#text mark").count() == 2 and page.locator("#text mark small").count() == 1


def test_a_server_without_speakers_shows_nothing_of_them(page: Any, clip: Path) -> None:
    page.route(
        re.compile("/v1/analyze"), lambda route: route.fulfill(json=without_speakers(conversation()))
    )
    choose(page, clip)
    assert page.is_hidden("#tab-speakers") and page.locator("#text .who").count() == 0
    assert page.locator("#text .seg").all_inner_texts() == ["0:00", "0:03", "0:06"]


def test_choices_are_sent(talk: Any, clip: Path) -> None:
    sent: list[str] = []
    talk.on("request", lambda one: sent.append(one.post_data or "") if "/v1/analyze" in one.url else None)
    talk.select_option("#preset", "meeting")
    assert talk.locator("#types li span").all_inner_texts() == ["person", "date"]
    talk.select_option("#speakers", "auto")
    talk.fill("#vocabulary", "Anna Weber\n\n  Northwind \n")
    talk.check("#values")
    choose(talk, clip)
    fields = dict(re.findall(r'name="(\w+)"\r\n\r\n(.*?)\r\n--', sent[0], re.S))
    assert fields["values"] == "true"
    assert fields["speakers"] == "auto" and json.loads(fields["entities"]) == ["person", "date"]
    assert fields["vocabulary"].split() == ["Anna", "Weber", "Northwind"]
    assert fields["vocabulary"].count("\n") == 1
    talk.click("[aria-label='Remove date']")
    assert talk.input_value("#preset") == "own" and talk.inner_text("#go") == "Analyse again"
    talk.select_option("#preset", "")
    assert talk.locator("#types li").count() == 7


def test_a_voice_is_known_by_a_clip(page: Any, clip: Path, tmp_path: Path) -> None:
    """With the real server: whoever sounds like the clip has its name."""
    voice = tmp_path / "Jack K.wav"
    voice.write_bytes(wav(load_audio(JFK)[3 * 16_000 :]))
    assert page.is_hidden("#voices-box")
    page.select_option("#speakers", "auto")
    with page.expect_file_chooser() as chooser:
        page.click("#add-voice button")
    chooser.value.set_files(str(voice))
    page.fill("#voice-name", "Smith, Jo")
    page.set_input_files("#voice-clip", str(voice))
    assert page.locator("#voices li span").all_inner_texts() == ["Jack K", "Smith, Jo"]
    page.click("[aria-label='Remove the voice of Jack K']")
    choose(page, clip)
    page.click("#tab-speakers")
    assert page.input_value("#lanes input") == "Smith, Jo"
    page.click("[aria-label='Remove the voice of Smith, Jo']")
    assert page.inner_text("#go") == "Analyse again"
    page.select_option("#speakers", "")
    assert page.is_hidden("#voices-box")


def test_search_goes_from_match_to_match(talk: Any, clip: Path) -> None:
    choose(talk, clip)
    talk.fill("#query", "i am")
    assert talk.inner_text("#hits") == "1 of 1" and talk.locator("#text .here").count() == 2
    talk.fill("#query", "IN hamb")
    assert talk.locator("#text .here").all_inner_texts() == ["in", "Hamburg", "."]
    talk.fill("#query", "northwínd")
    assert talk.inner_text("#hits") == "1 of 1", "accents and punctuation do not matter"
    talk.fill("#query", "i")
    many = int(talk.inner_text("#hits").split()[-1])
    talk.keyboard.press("Enter")
    assert talk.inner_text("#hits") == f"2 of {many}"
    talk.keyboard.press("Shift+Enter")
    talk.keyboard.press("Shift+Enter")
    assert talk.inner_text("#hits") == f"{many} of {many}"
    talk.fill("#query", "nothing of it")
    assert talk.inner_text("#hits") == "not found" and talk.is_hidden("#next-hit")
    talk.keyboard.press("Escape")
    assert talk.inner_text("#hits") == "" and talk.locator("#text .hit").count() == 0


def test_only_what_is_sure_enough(talk: Any, clip: Path) -> None:
    choose(talk, clip)
    talk.click("#tab-entities")
    assert talk.locator("#entities tbody tr").count() == 3
    talk.evaluate(
        "const box = document.getElementById('threshold'); box.value = 0.5;"
        "box.dispatchEvent(new Event('input'))"
    )
    assert talk.locator("#entities tbody tr").count() == 2
    assert talk.inner_text("#threshold-note") == "1 of 3 hidden"
    assert talk.inner_text("#threshold-value") == "50 %"
    talk.click("#tab-text")
    assert talk.locator("#text mark").count() == 2
    talk.click("#tab-download")
    kept = [one["text"] for one in json.loads(download(talk, "[data-format=json]")[1])["entities"]]
    assert kept == ["Anna Weber", "Northwind"]
    talk.click("#tab-redact")
    assert talk.locator("#redact-types label").count() == 3, "what is redacted does not depend on it"


def test_the_waveform_goes_to_a_place(talk: Any, tmp_path: Path, make_wav: Any) -> None:
    path = tmp_path / "call.wav"
    path.write_bytes(make_wav(0.5 * np.sin(np.arange(9 * 16_000) / 9) * (np.arange(9 * 16_000) > 72_000)))
    choose(talk, path)
    until(talk, "document.getElementById('audio').duration > 8")
    box = talk.locator("#waveform").bounding_box()
    talk.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    until(talk, "Math.abs(document.getElementById('audio').currentTime - 4.5) < 0.2")
    talk.focus("#waveform")
    talk.keyboard.press("Home")
    talk.keyboard.press("ArrowRight")
    until(talk, "document.getElementById('audio').currentTime === 5")
    until(talk, "document.getElementById('waveform').ariaValueText === '0:05 of 0:09'")
    # The first half is silent: its picture is a line.
    heights = """() => {
        const canvas = document.querySelector('#waveform canvas');
        const rows = (from) => {
            const part = [from, 0, canvas.width / 4, canvas.height];
            const {data, width} = canvas.getContext('2d').getImageData(...part);
            return data.filter((value, n) => n % 4 === 3 && value).length / width;
        };
        return [rows(canvas.width / 8), rows(5 * canvas.width / 8)];
    }"""
    when(talk, lambda: talk.evaluate(heights)[1] > 3 * talk.evaluate(heights)[0])


def test_a_long_transcript_leaves_the_rest_in_reach(talk: Any, clip: Path) -> None:
    """Fifteen minutes: sentiment, entities, redaction and downloads are not under 300 lines."""
    talk.route(re.compile("/v1/analyze"), lambda route: route.fulfill(json=conversation(repeated=100)))
    choose(talk, clip)
    assert talk.locator("#text .line").count() == 300
    assert talk.evaluate("document.documentElement.scrollHeight") < 1_600
    for tab in TABS:
        assert in_view(talk, f"#tab-{tab}")
    talk.fill("#query", "hamburg")
    talk.keyboard.press("Shift+Enter")
    assert talk.inner_text("#hits") == "100 of 100" and in_view(talk, "#text .here")


def test_tabs_by_keyboard(talk: Any, clip: Path) -> None:
    choose(talk, clip)
    talk.focus("#tab-text")
    talk.keyboard.press("ArrowRight")
    assert talk.evaluate("document.activeElement.id") == "tab-entities" and talk.is_visible("#panel-entities")
    talk.keyboard.press("End")
    assert talk.is_visible("#panel-download") and talk.is_hidden("#panel-entities")
    talk.keyboard.press("ArrowRight")
    assert talk.evaluate("document.activeElement.id") == "tab-text"


def test_several_files(talk: Any, clip: Path, tmp_path: Path) -> None:
    """Each has its own progress, result and failure; one that is broken stops none."""
    paths = [tmp_path / name for name in ("one.wav", "empty.wav", "three.wav")]
    for path in paths:
        path.write_bytes(clip.read_bytes())
    paths[1].write_bytes(b"")
    held = hold(talk, "/v1/analyze")
    talk.set_input_files("#file", [str(path) for path in paths])
    when(talk, lambda: len(held) == 2)
    names = talk.locator("#recordings .title").all_inner_texts()
    assert names == ["one.wav", "empty.wav", "three.wav"]
    third = next(route for route in held if b'filename="three.wav"' in route.request.post_data_buffer)
    third.fulfill(json={**conversation(), "file": "three.wav"})
    when(talk, lambda: talk.locator("#recordings .state").all_inner_texts()[1:] == ["failed", "0:09"])
    assert talk.is_visible("#progress-box") and talk.is_hidden("#shown"), "the first is still under way"
    talk.click("#recordings .name >> nth=2")
    assert talk.is_visible("#text .w") and talk.inner_text("#chosen").startswith("three.wav")
    talk.click("#recordings .name >> nth=1")
    assert talk.inner_text("#error") == "empty.wav is empty (0 bytes)." and talk.is_hidden("#shown")
    talk.click("[aria-label='Remove empty.wav']")
    assert talk.locator("#recordings li").count() == 2 and talk.is_hidden("#error")
    talk.click("#recordings .name >> nth=0")
    talk.click("#cancel")
    when(talk, lambda: talk.locator("#recordings .state").all_inner_texts()[0] == "cancelled")
    talk.unroute_all(behavior="ignoreErrors")


def test_a_file_that_is_too_large_is_not_uploaded(talk: Any, tmp_path: Path) -> None:
    sent: list[str] = []
    talk.on("request", lambda one: sent.append(one.url) if one.method == "POST" else None)
    large = tmp_path / "large.wav"
    with large.open("wb") as file:
        file.truncate(21_000_000)
    talk.set_input_files("#file", str(large))
    until(talk, "!document.getElementById('error').hidden")
    assert talk.inner_text("#error") == "large.wav has 21 MB; this server takes 20: compress or cut it."
    assert sent == []


def test_an_example_comes_with_the_server(talk: Any, server: Any) -> None:
    talk.click("#example")
    talk.wait_for_selector("#text .w")
    assert talk.inner_text("#chosen") == "jfk.flac · 0.20 MB"
    assert server.get("/static/jfk.flac").content == JFK.read_bytes()


def test_elapsed_and_remaining_time(talk: Any, clip: Path) -> None:
    said = talk.evaluate(
        """async () => {
            const { progressOf } = await import('/static/recordings.js');
            const at = (share, now) => progressOf(
                { stage: 'transcribing', share, begun: 0, since: 5000, from: 0 }, now);
            return [at(0.25, 15000), at(0.01, 6000), progressOf(
                { stage: 'waiting', share: 0, begun: 0, since: 0, from: 0 }, 3000)];
        }"""
    )
    assert said[0] == {"text": "Transcribing 25 %", "share": 0.25, "time": "0:15, about 0:30 left"}
    assert said[1]["time"] == "0:06", "the first moments say nothing about the pace"
    assert said[2] == {"text": "Waiting for other recordings", "share": None, "time": "0:03"}


AXE = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


@pytest.mark.parametrize(
    ("size", "scheme"), [((1440, 900), "light"), ((390, 844), "dark"), ((800, 720), "light")], ids=str
)
def test_accessibility(talk: Any, clip: Path, size: tuple[int, int], scheme: str) -> None:
    """axe-core has nothing to say against any part of the page, and nothing scrolls sideways."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    talk.emulate_media(color_scheme=scheme)
    talk.set_viewport_size({"width": size[0], "height": size[1]})
    talk.evaluate("document.getElementById('options').open = true")
    assert _complaints(axe, talk) == []
    choose(talk, clip, clip)
    talk.fill("#query", "delivery")
    for tab in TABS:
        talk.click(f"#tab-{tab}")
        assert _complaints(axe, talk) == [], tab
        assert talk.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), tab


def _complaints(axe: Any, page: Any) -> list[tuple[str, list[str]]]:
    found = axe.run(page, options=AXE).response["violations"]
    return [(one["id"], [node["html"][:160] for node in one["nodes"]]) for one in found]
