"""Who is let in, and what the routes answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("httpx")

from starlette.testclient import TestClient

from unislu.browse.access import VARIABLE, Access, new_token
from unislu.browse.app import create_app
from unislu.browse.filters import Filter
from unislu.browse.index import Index
from unislu.browse.queries import search
from unislu.errors import OptionError

from .conftest import Results

TOKEN = "a-token-nobody-guesses"
HERE = "http://127.0.0.1:8765"


@pytest.fixture
def access() -> Access:
    return Access(token=TOKEN)


@pytest.fixture
def stranger(opened: Index, access: Access) -> Iterator[TestClient]:
    with TestClient(create_app(opened, access), base_url=HERE, follow_redirects=False) as client:
        yield client


@pytest.fixture
def client(stranger: TestClient) -> TestClient:
    assert stranger.get(f"/?token={TOKEN}").status_code == 303
    return stranger


def test_nobody_gets_in_without_the_token(stranger: TestClient) -> None:
    data = ("overview", "state", "search", "recording?id=x", "recordings.csv", "mentions.csv")
    for path in (*data, "audio?id=x", "clip?id=x&start=0&end=1", "clips.zip"):
        assert stranger.get(f"/api/{path}").status_code == 401, path
    assert stranger.post("/api/refresh").status_code == 401
    page = stranger.get("/")
    assert page.status_code == 401 and "paste its token" in page.text and "Acme" not in page.text
    wrong = stranger.get("/?token=guess")
    assert wrong.status_code == 401 and "not the token" in wrong.text and "set-cookie" not in wrong.headers
    assert stranger.get("/api/overview", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200


def test_the_token_becomes_a_cookie(stranger: TestClient) -> None:
    entered = stranger.get(f"/?q=late+delivery&token={TOKEN}")
    assert entered.headers["location"] == "/?q=late+delivery"
    cookie = entered.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie
    assert stranger.get("/").status_code == 200 and stranger.get("/api/overview").json()["recordings"] == 3


def test_a_ticket_opens_once(stranger: TestClient, access: Access) -> None:
    assert stranger.get(f"/?token={access.ticket}").status_code == 303
    stranger.cookies.clear()
    assert stranger.get(f"/?token={access.ticket}").status_code == 401


def test_names_that_are_not_this_machine(client: TestClient) -> None:
    rebound = client.get("/api/overview", headers={"Host": "evil.example:8765"})
    assert rebound.status_code == 421 and "--hosts" in rebound.json()["error"]["message"]
    foreign = client.get("/api/overview", headers={"Origin": "http://127.0.0.1:3000"})
    assert foreign.status_code == 403
    assert client.post("/api/refresh", headers={"Origin": HERE}).status_code == 200


def test_other_names(opened: Index) -> None:
    app = create_app(opened, Access("0.0.0.0", ("desk.example",), TOKEN))
    with TestClient(
        app, base_url="http://desk.example:1", headers={"Authorization": f"Bearer {TOKEN}"}
    ) as here:
        assert here.get("/api/state").status_code == 200
        assert here.get("/api/state", headers={"Host": "192.0.2.7:1"}).status_code == 200
        assert here.get("/api/state", headers={"Host": "other.example"}).status_code == 421


def test_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(new_token()) > 30 and new_token() != new_token()
    monkeypatch.setenv(VARIABLE, "short")
    with pytest.raises(OptionError, match=VARIABLE):
        new_token()
    monkeypatch.setenv(VARIABLE, TOKEN)
    assert new_token() == TOKEN and TOKEN not in repr(Access())


def test_policies(client: TestClient) -> None:
    for path in ("/", "/static/main.js", "/static/words.js", "/api/overview", "/api/nothing"):
        headers = client.get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'; style")
        assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == "same-origin"
    assert client.get("/api/search").headers["cache-control"] == "no-store"


def test_bad_questions_are_answered(client: TestClient) -> None:
    answer = client.get("/api/search?from=March")
    assert answer.status_code == 400 and "from is 'March'" in answer.json()["error"]["message"]
    assert client.get("/api/recording?id=/etc/passwd").status_code == 404
    assert client.get("/api/recording").status_code == 404
    assert client.get("/api/clips.zip?around=x").status_code == 400


def an_id(index: Index, **given: Any) -> str:
    found: str = search(index, Filter.parse({key: [value] for key, value in given.items()}))["rows"][0]["id"]
    return found


def test_audio_in_ranges(client: TestClient, opened: Index, calls: Results) -> None:
    identity = an_id(opened, q="late")
    whole = (calls.calls / "2026-03-14-anna.wav").read_bytes()
    part = client.get("/api/audio", params={"id": identity}, headers={"Range": "bytes=100-199"})
    assert part.status_code == 206 and part.content == whole[100:200]
    assert part.headers["content-range"] == f"bytes 100-199/{len(whole)}"
    assert part.headers["content-type"].startswith("audio/") and part.headers["accept-ranges"] == "bytes"
    assert client.get("/api/audio", params={"id": str(calls.calls / "other.wav")}).status_code == 404
    (calls.calls / "2026-03-14-anna.wav").write_bytes(b"<script>alert(1)</script>")
    gone = client.get("/api/audio", params={"id": identity})
    assert gone.status_code == 404 and "is not the file" in gone.json()["error"]["message"]
    shown = client.get("/api/recording", params={"id": identity}).json()
    assert "is not the file that was transcribed" in shown["audio"]["problem"]


def test_only_sound_is_served_as_what_it_is(client: TestClient, opened: Index, calls: Results) -> None:
    from .conftest import Turn, analysis

    page = calls.calls / "call.html"
    page.write_text("<script>alert(1)</script>")
    calls.commit(calls.row(page, analysis([Turn("pretends")], "neutral")))
    opened.refresh()
    answer = client.get("/api/audio", params={"id": str(page)})
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/octet-stream"


def test_a_clip(client: TestClient, opened: Index) -> None:
    identity = an_id(opened, q="late")
    clip = client.get("/api/clip", params={"id": identity, "start": 0.4, "end": 0.8})
    assert clip.status_code == 200 and clip.content[:4] == b"RIFF"
    assert len(clip.content) == pytest.approx(0.4 * 16_000 * 4, abs=200)
    assert client.get("/api/clip", params={"id": identity, "start": 1, "end": 1}).status_code == 400
    assert client.get("/api/clip", params={"id": identity, "start": 0, "end": 1e9}).status_code == 400
    assert client.get("/api/clip", params={"id": identity, "start": 999, "end": 1000}).status_code == 404


def test_a_recording_whole(client: TestClient, opened: Index) -> None:
    identity = an_id(opened, q="late")
    found = client.get(
        "/api/recording", params={"id": identity, "q": "delivery", "speaker": "Channel 2"}
    ).json()
    assert found["name"] == "2026-03-14-anna.wav" and found["day"] == "2026-03-14"
    assert [found["text"][a:b] for a, b in found["matches"]] == ["delivery"]
    assert found["segment_speakers"] == ["Channel 1", "Channel 2", "Channel 1"]
    assert found["audio"] == {"offset": 0.0, "problem": None}
    assert found["sentiment"]["scores"]["negative"] == 0.8 and found["words"][0]["text"] == "Thank"


def test_downloads(client: TestClient) -> None:
    table = client.get("/api/recordings.csv?q=delivery")
    assert table.content.startswith(b"\xef\xbb\xbfid,audio,day")
    assert "recordings.csv" in table.headers["content-disposition"]
    assert client.get("/api/mentions.csv").text.count("\n") == 7
    archive = client.get("/api/clips.zip?q=delivery&around=1")
    assert archive.content[:2] == b"PK" and archive.headers["content-type"] == "application/zip"


def test_new_results_are_seen_and_read_on_request(client: TestClient, calls: Results) -> None:
    from .conftest import Turn

    calls.commit(calls.call("2026-06-01-new.wav", Turn("A new delivery")))
    assert client.get("/api/state").json() == {"version": 1, "stale": True}
    assert client.get("/api/search?q=new").json()["total"] == 0
    assert client.post("/api/refresh").json() == {"changed": True, "version": 2}
    assert client.get("/api/search?q=new").json()["total"] == 1
