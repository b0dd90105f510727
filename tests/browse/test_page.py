"""The page in a real browser."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .. import needs
from .conftest import STEP, Results, Turn, some_calls

pytest.importorskip("playwright")
pytest.importorskip("uvicorn")

from playwright.sync_api import sync_playwright

from unislu.browse.access import Access
from unislu.browse.index import Index
from unislu.browse.run import make_server

PATIENCE = 60_000  # milliseconds; a busy machine is slow, not wrong
PLAYED = """window.played = [];
const play = HTMLMediaElement.prototype.play;
HTMLMediaElement.prototype.play = function () { played.push(this.currentTime); return play.call(this); };"""
"""Keeps the seconds from which the page played."""
ACCESS = Access(token="a-token-nobody-guesses")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    executable = needs.chromium()
    with sync_playwright() as driver:
        args = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
        found = driver.chromium.launch(executable_path=executable, args=args)
        yield found
        found.close()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Three calls, a failure, a call whose audio is gone, and sixty short ones."""
    results = Results(tmp_path_factory.mktemp("shop"))
    results.commit(
        *some_calls(results), results.failure("/calls/broken.wav", "is not an audio or video file")
    )
    lost = results.call("2026-03-25-lost.wav", Turn("A lost delivery.", "negative"), audio=False)
    more = [
        results.call(f"2025-01-{n % 28 + 1:02d}-{n}.wav", Turn("Good morning."), audio=False)
        for n in range(60)
    ]
    results.commit(lost, *more)
    return results


@pytest.fixture(scope="module")
def url(shop: Results) -> Iterator[str]:
    index = Index(str(shop.path))
    server = make_server(index, ACCESS)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.url:
        assert thread.is_alive()
        time.sleep(0.01)
    yield server.url
    server.should_exit = True
    thread.join(30)
    index.close()
    assert not thread.is_alive()


@pytest.fixture
def start(browser: Any, url: str) -> Iterator[Callable[..., Any]]:
    """`start(query, width=…)`: the page, which asks nobody but its own server and has no errors."""
    contexts, errors = [], []

    def begin(query: str = "", width: int = 1280, **more: Any) -> Any:
        context = browser.new_context(viewport={"width": width, "height": 800}, accept_downloads=True, **more)
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        context.add_init_script(PLAYED)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
        page.on(
            "request",
            lambda one: None if one.url.startswith((url, "blob:" + url)) else errors.append(one.url),
        )
        page.goto(f"{url}?token={ACCESS.token}{query}")
        return page

    yield begin
    assert errors == []
    for context in contexts:
        context.close()


def until(page: Any, condition: str) -> None:
    for _ in range(PATIENCE // 50):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(condition)


def total(page: Any, number: int) -> None:
    until(page, f"document.getElementById('total').textContent.startsWith('{number} recording')")


def shown(page: Any) -> list[str]:
    found: list[str] = page.locator("#list .name").all_inner_texts()
    return found


def sees(page: Any, selector: str) -> bool:
    found: bool = page.evaluate(
        """selector => {
            const {top, bottom, height} = document.querySelector(selector).getBoundingClientRect();
            return height > 0 && top >= 0 && bottom <= innerHeight + 1;
        }""",
        selector,
    )
    return found


def test_from_a_question_to_the_very_words(start: Callable[..., Any]) -> None:
    """Which customers complained about delivery in March, and let me hear it."""
    page = start()
    total(page, 64)
    page.fill("#q", "delivery late")
    total(page, 1)
    page.select_option("#speaker", "Channel 2")
    page.check("#sentiments input[value=negative]")
    page.fill("#from", "2026-03-01")
    page.fill("#to", "2026-03-31")
    until(page, "location.search.includes('to=2026-03-31')")
    total(page, 1)
    until(page, "document.querySelectorAll('#list .hit').length === 2")
    assert shown(page) == ["2026-03-14-anna.wav"]
    assert page.locator("#list .hit").all_inner_texts() == ["delivery", "late"]
    page.click("#list .snippet >> nth=0")
    page.wait_for_selector("#recording-view:not([hidden]) #text .hit")
    page.wait_for_selector("#text .w.now")
    before = "Thank you for calling Acme, how can I help? My".split()
    assert page.evaluate("played") == [pytest.approx(len(before) * STEP - 0.3)]
    assert page.inner_text("#match-at") == "1 of 2" and sees(page, "#text .hit")
    page.click("#match-after")
    assert page.inner_text("#match-at") == "2 of 2"
    assert page.evaluate("played")[-1] == pytest.approx((len(before) + 2) * STEP - 0.3)
    assert "Channel 2" in page.inner_text("#text") and page.locator("#text mark").count() == 3
    # Back gives the list as it was, and its address is the question.
    page.keyboard.press("Escape")
    page.wait_for_selector("#list .snippet")
    assert page.input_value("#q") == "delivery late" and page.is_checked("#sentiments input[value=negative]")
    page.reload()
    total(page, 1)
    assert page.input_value("#speaker") == "Channel 2"


def test_charts_are_filters(start: Callable[..., Any]) -> None:
    page = start("&from=2026-01-01")
    total(page, 4)
    page.click("#counts button >> text=Berlin")
    total(page, 2)
    assert page.input_value("#entity") == "Berlin" and page.is_checked("#types input[value=GPE]")
    page.focus("#time g.bar[tabindex='0']")
    page.keyboard.press("End")
    assert "20 Mar 2026: 1 recording" in page.evaluate("document.activeElement.getAttribute('aria-label')")
    page.keyboard.press("Enter")
    total(page, 1)
    assert shown(page) == ["2026-03-20-ben.wav"]
    page.click("button[type=reset]")
    total(page, 64)
    assert "q=" not in page.url and "from" not in page.url


def test_pages(start: Callable[..., Any]) -> None:
    page = start("&sort=oldest")
    total(page, 64)
    assert len(shown(page)) == 50 and page.inner_text("#page") == "1–50 of 64"
    page.click("#next")
    until(page, "document.querySelectorAll('#list .name').length === 14")
    assert page.is_disabled("#next")
    page.go_back()
    until(page, "document.querySelectorAll('#list .name').length === 50")


def test_what_cannot_be_transcribed_is_said(start: Callable[..., Any]) -> None:
    page = start("&q=lost")
    total(page, 1)
    page.click("#list .name")
    page.wait_for_selector("#no-audio:not([hidden])")
    assert "no longer there" in page.inner_text("#no-audio") and page.is_hidden("#audio")
    page.click("#back")
    page.click("button[type=reset]")
    page.check("#failed")
    total(page, 1)
    assert page.inner_text("#list .notes") == "is not an audio or video file"


def test_bad_and_empty_questions(start: Callable[..., Any]) -> None:
    page = start("&q=antidisestablishmentarianism")
    total(page, 0)
    assert "Nothing fits" in page.inner_text("#list") and "No entities" in page.inner_text("#counts")


def test_saving(start: Callable[..., Any]) -> None:
    page = start("&q=delivery&from=2026-03-01&to=2026-03-21")
    total(page, 2)
    for selector, name, begins in [
        ("#save-recordings", "recordings.csv", b"\xef\xbb\xbfid,"),
        ("#save-mentions", "mentions.csv", b"\xef\xbb\xbfid,"),
        ("#save-clips", "clips.zip", b"PK"),
    ]:
        with page.expect_download() as started:
            page.click(selector)
        assert started.value.suggested_filename == name
        assert Path(started.value.path()).read_bytes().startswith(begins)


def test_results_that_come_meanwhile(start: Callable[..., Any], shop: Results) -> None:
    page = start("&q=brandnew")
    total(page, 0)
    path = shop.commit(shop.call("2026-07-01-new.wav", Turn("A brandnew word"), audio=False))
    try:
        page.click("#refresh")
        total(page, 1)
    finally:
        path.unlink()
        page.click("#refresh")
        total(page, 0)


def test_a_file_that_no_browser_plays(start: Callable[..., Any]) -> None:
    """Clips in WAV are made of it, from where somebody clicks."""
    page = start("&q=everything")
    page.route(
        re.compile("/api/audio"), lambda route: route.fulfill(body=b"no sound", content_type="audio/x-other")
    )
    total(page, 1)
    page.click("#list .snippet")
    until(page, "document.getElementById('audio').src.includes('api/clip')")
    until(page, "document.getElementById('audio').currentTime > 0")
    begin = float(page.evaluate("new URL(document.getElementById('audio').src).searchParams.get('start')"))
    before = "Acme here, is this about your delivery? Thanks,".split()
    assert 0 < len(before) * STEP - begin < 0.5


def test_the_keyboard_alone(start: Callable[..., Any]) -> None:
    page = start()
    total(page, 64)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the recordings"
    page.focus("#q")
    page.keyboard.type("late")
    total(page, 1)
    page.focus("#list .snippet")
    page.keyboard.press("Enter")
    page.wait_for_selector("#recording-view:not([hidden]) #text .hit")
    page.focus("#text .w[tabindex='0']")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.textContent") == "you"
    page.keyboard.press("Space")
    until(page, "document.getElementById('audio').paused")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_accessible_on_every_screen(start: Callable[..., Any], scheme: str, width: int) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = start("&q=delivery", width, color_scheme=scheme, reduced_motion="reduce", bypass_csp=True)
    total(page, 3)
    if width < 500:
        assert sees(page, "#list .snippet")
        page.click("#more summary")
        page.click("#charts-box summary")
        until(page, "document.querySelector('#time svg').clientWidth > 200")
    for _ in range(2):
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "no sideways scrolling"
        found = axe.run(page)
        assert found.violations_count == 0, found.generate_report()
        if page.is_visible("#list .snippet"):
            page.click("#list .snippet >> nth=0")
            page.wait_for_selector("#recording-view:not([hidden]) #text .hit")


def test_a_stranger_sees_where_the_address_is(browser: Any, url: str) -> None:
    context = browser.new_context()
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto(url)
    assert "printed in the terminal" in page.inner_text("main")
    page.fill("#token", ACCESS.token)
    page.keyboard.press("Enter")
    page.wait_for_selector("#list .name")
    assert "token" not in page.url and page.inner_text("#total").startswith("64 recordings")
    context.close()
