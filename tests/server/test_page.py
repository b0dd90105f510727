"""The web page in a real browser."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from .. import needs

playwright = pytest.importorskip("playwright.sync_api")

FAKE_MICROPHONE = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
PATIENCE = 60_000  # milliseconds; a busy machine is slow, not wrong


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    executable = needs.chromium()
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=executable, args=[*FAKE_MICROPHONE, "--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def page(browser: Any, server: Any) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    context.set_default_timeout(PATIENCE)
    opened = context.new_page()
    opened.errors = []
    opened.on("pageerror", lambda error: opened.errors.append(str(error)))
    opened.on("requestfailed", lambda request: opened.errors.append(f"{request.url}: {request.failure}"))
    opened.on(
        "request", lambda request: None if _is_local(request.url) else opened.errors.append(request.url)
    )
    opened.goto(server.url)
    opened.wait_for_selector("#types li")
    yield opened
    # Requests that the page itself gave up are no failure.
    assert [error for error in opened.errors if "ERR_ABORTED" not in error] == []
    context.close()


def _is_local(url: str) -> bool:
    return url.startswith(("http://127.0.0.1:", "blob:http://127.0.0.1:", "data:"))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory, speech: bytes) -> Path:
    path = tmp_path_factory.mktemp("clips") / "my speech.wav"
    path.write_bytes(speech)
    return path


def upload(page: Any, clip: Path) -> None:
    page.set_input_files("#file", str(clip))
    page.wait_for_selector("#text .w")


def until(page: Any, condition: str) -> None:
    """Waits for a condition in JavaScript; the page's policy forbids the driver's own way of waiting."""
    for _ in range(PATIENCE // 50):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(condition)


def download(page: Any, selector: str) -> tuple[str, bytes]:
    with page.expect_download() as started:
        page.click(selector)
    return started.value.suggested_filename, Path(started.value.path()).read_bytes()


def test_upload_entities_slider_download(page: Any, clip: Path) -> None:
    upload(page, clip)
    assert page.inner_text("#text").startswith("And so my fellow Americans")
    assert page.inner_text("#text mark small") == "NORP"
    assert page.inner_text("#entities tbody tr td:nth-child(2)") == "Americans"
    assert "neutral" in page.inner_text("#shares") and page.query_selector("#timeline svg rect")
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


def test_a_bad_file(page: Any, tmp_path: Path) -> None:
    bad = tmp_path / "notes.txt"
    bad.write_text("<b>no</b> audio")
    page.set_input_files("#file", str(bad))
    alert = page.wait_for_selector("#error:not([hidden])")
    assert re.match(r"notes\.txt: is not audio", alert.inner_text())
    assert page.is_hidden("#progress-box") and page.is_hidden("#shown")


@pytest.mark.slow
def test_own_types_and_tasks(page: Any, clip: Path) -> None:
    page.fill("#new-type", "country, nationality")
    page.keyboard.press("Enter")
    assert page.locator("#types li").all_inner_texts() == ["country\n×", "nationality\n×"]
    page.click("[aria-label='Remove country']")
    page.uncheck("#task-sa")
    upload(page, clip)
    assert page.is_hidden("#sentiment-card")
    shown = set(page.locator("#text mark small").all_inner_texts())
    assert shown <= {"nationality"}
    page.click("#reset-types")
    assert page.locator("#types li").count() == 7 and page.inner_text("#go") == "Analyse again"


@pytest.mark.slow
def test_a_word_is_heard_by_mouse_and_keyboard(page: Any, clip: Path) -> None:
    upload(page, clip)
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
    upload(page, clip)
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
def test_small_screens_and_contrast(browser: Any, server: Any, clip: Path) -> None:
    for scheme in ("light", "dark"):
        context = browser.new_context(viewport={"width": 360, "height": 740}, color_scheme=scheme)
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.goto(server.url)
        upload(page, clip)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), (
            "no sideways scrolling"
        )
        assert _worst_contrast(page) >= 4.5, scheme
        context.close()


def _worst_contrast(page: Any) -> float:
    """The lowest contrast of text in the transcript, the chips and the notes (WCAG asks for 4.5)."""
    colors = page.evaluate(
        """() => [...document.querySelectorAll('mark, .chip, .quiet, .w, button, td, label, legend')]
        .filter(e => e.offsetParent && !e.disabled).map(e => {
            let b = e, ground;
            do { ground = getComputedStyle(b).backgroundColor; b = b.parentElement; }
            while (b && ground === 'rgba(0, 0, 0, 0)');
            return [getComputedStyle(e).color, ground];
        })"""
    )
    return min(_contrast(*pair) for pair in colors)


def _contrast(one: str, other: str) -> float:
    lights = sorted((_light(one), _light(other)))
    return (lights[1] + 0.05) / (lights[0] + 0.05)


def _light(color: str) -> float:
    parts = np.array([float(part) for part in re.findall(r"[\d.]+", color)[:3]]) / 255
    linear = np.where(parts <= 0.03928, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


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
