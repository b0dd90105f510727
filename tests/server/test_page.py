"""The web page in a real browser: a recording is chosen, transcribed by the default model, looked at."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from .pages import PATIENCE, choose, download, hold, in_view, until, when


def test_upload_entities_slider_download(page: Any, clip: Path) -> None:
    choose(page, clip)
    assert page.inner_text("#text").lower().startswith("and so my fellow americans")
    assert page.inner_text("#text mark small") == "NORP"
    assert page.text_content("#entities tbody tr td:nth-child(2)") == "Americans"
    assert page.inner_text("#tab-sentiment").split() == ["Sentiment", page.inner_text("#mood")]
    page.click("#tab-sentiment")
    assert "neutral" in page.inner_text("#shares") and page.query_selector("#timeline svg rect")
    assert "unislu-base" in page.inner_text("#model") and "English" in page.inner_text("#model")
    page.click("#tab-text")
    assert "English" in page.inner_text("#hint")
    # The lowest bias: the entity goes.
    page.focus("#bias")
    page.keyboard.press("Home")
    assert page.inner_text("#bias-value") == "−4"
    until(page, "document.getElementById('refining').hidden")
    until(page, "document.getElementById('entity-count').textContent === 'none'")
    assert not page.query_selector("#text mark:not(.off)")
    # Back again: what is known is drawn at once, without waiting for the server.
    for _ in range(8):
        page.keyboard.press("ArrowRight")
    assert page.inner_text("#bias-value") == "0" and page.inner_text("#text mark small") == "NORP"
    page.click("#tab-download")
    name, data = download(page, "[data-format=json]")
    assert name == "my speech.json"
    result = json.loads(data)
    assert [entity["text"] for entity in result["entities"]] == ["Americans"]
    name, data = download(page, "[data-format=vtt]")
    assert name == "my speech.vtt" and data.startswith(b"WEBVTT") and b"Americans" in data
    name, data = download(page, "[data-format=srt]")
    assert data.startswith(b"1\n00:00:0")
    name, data = download(page, "[data-format=html]")
    assert data.startswith(b"<!DOCTYPE html>") and b"NORP" in data
    name, data = download(page, "[data-format=txt]")
    assert name == "my speech.txt" and data.lower().startswith(b"and so my fellow americans")
    name, data = download(page, "[data-format=conll]")
    assert name == "my speech.conll" and b"Americans\tB-NORP" in data
    assert page.is_hidden("[data-format=rttm]"), "there are no speakers"


def test_a_bad_file(page: Any, tmp_path: Path) -> None:
    bad = tmp_path / "notes.txt"
    bad.write_text("<b>no</b> audio")
    page.set_input_files("#file", str(bad))
    alert = page.wait_for_selector("#error:not([hidden])")
    assert re.match(r"notes\.txt: is not an audio or video file", alert.inner_text())
    assert page.is_hidden("#progress-box") and page.is_hidden("#shown")
    bad.write_bytes(b"\x1aE\xdf\xa3" + bytes(1000))
    page.set_input_files("#file", str(bad))
    until(page, "document.getElementById('error').textContent.includes('1a 45 df a3')")
    assert "b'" not in page.inner_text("#error") and "\\x" not in page.inner_text("#error")


@pytest.mark.parametrize("size", [(390, 844), (1280, 700)], ids=str)
def test_what_happens_is_seen(page: Any, clip: Path, size: tuple[int, int]) -> None:
    """On a telephone the result lies below the options: the page goes there."""
    page.set_viewport_size({"width": size[0], "height": size[1]})
    held = hold(page, r"/v1/analyze")
    page.set_input_files("#file", str(clip))
    page.wait_for_selector("#progress-box:not([hidden])")
    until(page, "document.getElementById('progress-box').getBoundingClientRect().top < innerHeight")
    assert in_view(page, "#progress-box")
    when(page, lambda: held)
    assert in_view(page, "#progress-box")
    held[0].continue_()
    page.wait_for_selector("#text .w")
    assert in_view(page, "#text .w")


def test_nothing_of_another_file_under_a_new_name(page: Any, clip: Path, tmp_path: Path) -> None:
    choose(page, clip)
    other = tmp_path / "other.wav"
    other.write_bytes(clip.read_bytes())
    held = hold(page, r"/v1/analyze")
    page.set_input_files("#file", str(other))
    when(page, lambda: held)
    assert page.inner_text("#chosen").startswith("other.wav") and page.is_hidden("#shown")
    page.click("#cancel")
    page.wait_for_selector("#progress-box", state="hidden")
    assert page.is_hidden("#shown") and page.inner_text("#go") == "Analyse"
    page.unroute_all(behavior="ignoreErrors")
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"no audio at all")
    page.set_input_files("#file", str(bad))
    page.wait_for_selector("#error:not([hidden])")
    assert page.is_hidden("#shown") and page.inner_text("#chosen").startswith("bad.wav")


def test_what_was_transcribed_stays_when_it_is_asked_again(page: Any, clip: Path) -> None:
    choose(page, clip)
    page.uncheck("#task-sa")
    held = hold(page, r"/v1/analyze")
    page.click("#go")
    when(page, lambda: held)
    page.click("#cancel")
    page.wait_for_selector("#text .w")
    assert page.inner_text("#go") == "Analyse again"
    page.unroute_all(behavior="ignoreErrors")


def test_a_type_of_ones_own_joins_the_others(page: Any) -> None:
    assert "as well" in page.inner_text("#types-note")
    page.fill("#new-type", "drug")
    page.keyboard.press("Enter")
    types = page.locator("#types li span").all_inner_texts()
    assert len(types) == 8 and types[-1] == "drug"
    page.click("#reset-types")
    assert page.locator("#types li").count() == 7


def test_the_button_is_there_when_it_is_needed(page: Any, clip: Path) -> None:
    page.set_viewport_size({"width": 1280, "height": 600})
    assert "at once" in page.inner_text("#drop") and page.is_hidden("#go")
    choose(page, clip)
    assert page.is_hidden("#go")
    page.uncheck("#task-sa")
    assert page.inner_text("#go") == "Analyse again" and in_view(page, "#go")
    page.check("#task-sa")
    assert page.is_hidden("#go")


def test_redaction_shows_that_it_goes_on(page: Any, clip: Path) -> None:
    choose(page, clip)
    held = hold(page, r"/v1/redact")
    page.click("#tab-redact")
    page.click("#redact-go")
    when(page, lambda: held)
    page.wait_for_selector("#redact-box:not([hidden]) progress")
    assert page.is_disabled("#redact-go")
    page.click("#redact-cancel")
    page.wait_for_selector("#redact-box", state="hidden")
    assert page.is_enabled("#redact-go") and page.is_hidden("#redacted") and page.is_hidden("#error")
    page.unroute_all(behavior="ignoreErrors")


def test_a_page_that_is_closed_takes_its_job_along(
    browser: Any, start: Any, model: Any, tmp_path: Path, make_wav: Any
) -> None:
    """The server keeps nothing for somebody who is gone."""
    from .test_jobs import Slow

    long = tmp_path / "long.wav"
    long.write_bytes(make_wav(np.zeros(100 * 16_000)))
    with start(lambda: Slow(model), grace=0.1) as server:
        page = browser.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(server.url)
        page.wait_for_selector("#types li")
        page.set_input_files("#file", str(long))
        when(page, lambda: [job["status"] for job in server.get("/v1/jobs").json()["jobs"]] == ["running"])
        page.goto("about:blank")
        when(page, lambda: server.get("/v1/jobs").json() == {"jobs": []})
        page.close()


@pytest.mark.slow
def test_own_types_and_tasks(page: Any, clip: Path) -> None:
    page.click("#clear-types")
    page.fill("#new-type", "country, nationality")
    page.keyboard.press("Enter")
    assert page.locator("#types li").all_inner_texts() == ["country\n×", "nationality\n×"]
    page.click("[aria-label='Remove country']")
    page.uncheck("#task-sa")
    choose(page, clip)
    assert page.is_hidden("#tab-sentiment")
    shown = set(page.locator("#text mark small").all_inner_texts())
    assert shown <= {"nationality"}
    page.click("#reset-types")
    assert page.locator("#types li").count() == 7 and page.inner_text("#go") == "Analyse again"


@pytest.mark.slow
def test_a_word_is_transcribed_by_mouse_and_keyboard(page: Any, clip: Path) -> None:
    choose(page, clip)
    page.focus("#text .w[tabindex='0']")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.textContent") == "so"
    page.keyboard.press("Enter")
    until(page, "!document.getElementById('audio').paused")
    page.keyboard.press("Space")
    until(page, "document.getElementById('audio').paused")
    page.evaluate("document.getElementById('audio').currentTime = 0")
    page.click("#text .w >> nth=4")
    until(page, "!document.getElementById('audio').paused")


@pytest.mark.slow
def test_redaction(page: Any, clip: Path) -> None:
    choose(page, clip)
    page.click("#tab-redact")
    page.click("#redact-go")
    page.wait_for_selector("#redacted:not([hidden])")
    assert "[NORP]" in page.inner_text("#redacted-text")
    assert "Americans" not in page.inner_text("#redacted-text")
    until(page, "document.getElementById('after').duration > 3")
    name, data = download(page, "#download-redacted")
    assert name == "my speech.redacted.wav" and data[:4] == b"RIFF"


@pytest.mark.slow
def test_recording(page: Any) -> None:
    page.click("#record")
    until(page, "document.getElementById('record-text').textContent.startsWith('Stop')")
    page.wait_for_timeout(1_500)
    page.click("#record")
    page.wait_for_selector("#shown:not([hidden])")
    assert page.inner_text("#chosen").startswith("recording.webm")


@pytest.mark.slow
def test_a_key_is_asked_for(browser: Any, start: Any) -> None:
    with start(keys=("a-rather-secret-key",)) as server:
        context = browser.new_context()
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.goto(server.url)
        page.wait_for_selector("#key-dialog[open]")
        page.fill("#key", "wrong-key")
        page.keyboard.press("Enter")
        page.wait_for_selector("#key-error:not([hidden])")
        page.fill("#key", "a-rather-secret-key")
        page.keyboard.press("Enter")
        page.wait_for_selector("#types li")
        context.close()
