"""Links to results and jobs, and a server that goes away, in a real browser."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from .pages import PATIENCE, choose, conversation, until, when, without_speakers
from .test_jobs import Slow


def test_a_result_has_a_link(page: Any, clip: Path, server: Any) -> None:
    result = without_speakers(conversation())
    page.route(re.compile("/v1/analyze"), lambda route: route.fulfill(json=result))
    choose(page, clip)
    page.click("#share")
    page.wait_for_selector("#link-box:not([hidden])")
    link = page.input_value("#link")
    assert link == page.url and "#job=" in link and "7 days" in page.inner_text("#link-note")
    until(page, "document.getElementById('share').textContent === 'Copied'")
    assert page.evaluate("navigator.clipboard.readText()") == link
    other = page.context.new_page()
    other.goto(link)
    other.wait_for_selector("#text .w")
    assert "Good morning, this is Anna Weber" in other.inner_text("#text")
    assert other.is_visible("#no-audio") and other.is_hidden("#audio") and other.is_hidden("#tab-redact")
    page.click("#unshare")
    page.wait_for_selector("#link-box", state="hidden")
    assert "#job=" not in page.url
    other.reload()
    other.wait_for_selector("#error:not([hidden])")
    assert other.inner_text("#error").startswith("There is no result under this address")
    other.close()


@pytest.fixture
def long_clip(tmp_path: Path, make_wav: Any) -> Path:
    path = tmp_path / "long.wav"
    path.write_bytes(make_wav(np.zeros(100 * 16_000)))
    return path


def test_a_job_is_found_again(browser: Any, start: Any, model: Any, long_clip: Path) -> None:
    """Reloading loses a job, unless its link was copied."""
    with start(lambda: Slow(model), grace=0.1) as server:
        page = browser.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(server.url)
        page.wait_for_selector("#types li")
        page.set_input_files("#file", str(long_clip))
        until(page, "document.getElementById('progress-label').textContent.startsWith('Transcribing')")
        page.click("#keep")
        until(page, "location.hash.startsWith('#job=')")
        page.reload()
        page.wait_for_selector("#progress-box:not([hidden])")
        assert [job["status"] for job in server.get("/v1/jobs").json()["jobs"]] == ["running"]
        page.wait_for_selector("#shown:not([hidden])")
        assert page.inner_text("#chosen").startswith("long.wav")
        assert len(server.get("/v1/jobs").json()["jobs"]) == 1, "who has the link finds it later"
        page.close()


def test_a_server_that_goes_away_and_comes_back(page: Any, server: Any, long_clip: Path) -> None:
    """The page waits for it; only after a while it gives up, and says so."""
    page.clock.install()
    gone = []

    def answer(route: Any) -> None:
        route.abort("connectionrefused") if gone else route.fulfill(json=job)

    job = {"id": "x", "status": "running", "progress": 0.3, "file": "long.wav", "seconds": 100.0}
    page.route(re.compile("/v1/jobs"), answer)
    page.set_input_files("#file", str(long_clip))
    until(page, "document.getElementById('progress-label').textContent === 'Transcribing 30 %'")
    gone.append(True)
    until(page, "document.getElementById('progress-label').textContent.startsWith('The server is away')")
    gone.clear()
    page.clock.run_for(2_500)
    until(page, "document.getElementById('progress-label').textContent === 'Transcribing 30 %'")
    gone.append(True)
    until(page, "document.getElementById('progress-label').textContent.startsWith('The server is away')")
    for _ in range(40):
        page.clock.run_for(2_100)
        page.wait_for_timeout(20)
    when(page, lambda: page.is_visible("#error"))
    assert page.inner_text("#error") == "The server cannot be reached. Is it still running?"
    assert page.inner_text("#go") == "Analyse" and page.is_enabled("#go")
    page.errors.clear()  # that requests failed was meant
    page.unroute_all(behavior="ignoreErrors")
