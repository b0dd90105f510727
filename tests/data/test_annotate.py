"""`annotate` against a real local server that speaks the OpenAI protocol, good answers and bad ones."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from unislu.cli import main
from unislu.data.annotate import AnnotateOptions, annotate, estimate
from unislu.data.records import Record, read_records, write_records
from unislu.errors import OptionError, RecordError, UnisluError


class Endpoint(ThreadingHTTPServer):
    """Answers each text from a script; what is listed twice is given in that order."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, list[str]] = {}
        self.requests: list[dict[str, Any]] = []
        self.status = [200]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: Endpoint

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append(body)
        status = self.server.status.pop(0) if len(self.server.status) > 1 else self.server.status[0]
        answers = self.server.answers[body["messages"][1]["content"]]
        content = answers.pop(0) if len(answers) > 1 else answers[0]
        reply: dict[str, Any] = {"error": {"message": "no such model"}}
        if status == 200:
            reply = {
                "id": "1", "object": "chat.completion", "created": 1, "model": body["model"],
                "choices": [{"index": 0, "finish_reason": "stop",
                             "message": {"role": "assistant", "content": content}}],
                "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
            }  # fmt: skip
        data = json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    server = Endpoint()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def answer(*pairs: tuple[str, str]) -> str:
    return json.dumps({"entities": [{"text": text, "type": kind} for text, kind in pairs]})


def corpus(folder: Path, *texts: str) -> Path:
    write_records(folder / "texts.jsonl", [Record(f"r{n}", text) for n, text in enumerate(texts)])
    return folder / "texts.jsonl"


def options(endpoint: Endpoint, **changes: Any) -> AnnotateOptions:
    return AnnotateOptions(endpoint.url, "m", **changes)


def test_answers_become_offsets(tmp_path: Path, endpoint: Endpoint) -> None:
    endpoint.answers = {
        "Anna took aspirin.": [answer(("aspirin", "Drug name"), ("Anna", "person"))],
        "Yes.": [answer()],
    }
    texts = corpus(tmp_path, "Anna took aspirin.", "Yes.")
    report = annotate(texts, tmp_path / "out", options(endpoint), progress=False)
    first, second = read_records(report.manifest)
    assert [(e.start, e.end, e.type) for e in first.entities or ()] == [
        (0, 4, "person"),
        (10, 17, "drug-name"),
    ]
    assert second.entities == () and report.tokens == (20, 10)
    schema = endpoint.requests[0]["response_format"]["json_schema"]["schema"]
    assert schema["required"] == ["entities"]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [("sorry", "not JSON"), ("{}", "no list"), ('{"entities": ["Anna"]}', "not an object"),
     (answer(("Bob", "person")), "'Bob' is not in the text"), (answer(("Anna", "animal")), "'animal'")],
)  # fmt: skip
def test_a_bad_answer_is_asked_for_again_with_the_reason(
    tmp_path: Path, endpoint: Endpoint, bad: str, reason: str
) -> None:
    endpoint.answers = {"Anna left.": [bad, answer(("Anna", "person"))]}
    texts = corpus(tmp_path, "Anna left.")
    report = annotate(texts, tmp_path / "out", options(endpoint, types=("person",)), progress=False)
    assert (report.annotated, report.failed, len(endpoint.requests)) == (1, 0, 2)
    assert reason in endpoint.requests[1]["messages"][-1]["content"]


def test_texts_that_stay_bad_are_listed_and_the_others_kept(tmp_path: Path, endpoint: Endpoint) -> None:
    endpoint.answers = {"Anna left.": ["no"], "Bob left.": [answer(("Bob", "person"))]}
    texts = corpus(tmp_path, "Anna left.", "Bob left.")
    code = main(
        ["annotate", str(texts), str(tmp_path / "out"), "--endpoint", endpoint.url, "--model", "m", "-q"]
    )
    assert code == 1
    assert [r.id for r in read_records(tmp_path / "out" / "manifest.jsonl")] == ["r1"]
    failed = json.loads((tmp_path / "out" / "failed.jsonl").read_text())
    assert failed["id"] == "r0" and "not JSON" in failed["reason"]


def test_a_stopped_run_goes_on_and_pays_for_nothing_twice(tmp_path: Path, endpoint: Endpoint) -> None:
    endpoint.answers = {f"Text {n}.": [answer()] for n in range(6)}
    texts = corpus(tmp_path, *endpoint.answers)
    annotate(texts, tmp_path / "out", options(endpoint), limit=4, progress=False)
    journal = tmp_path / "out" / "annotations.jsonl"
    journal.write_text(journal.read_text() + '{"id": "r4", "sou')  # a kill in mid-line
    report = annotate(texts, tmp_path / "out", options(endpoint), progress=False)
    assert report.annotated == 6 and len(endpoint.requests) == 6
    assert annotate(texts, tmp_path / "out", options(endpoint), progress=False).tokens == (0, 0)


def test_passing_trouble_is_retried_and_a_refusal_is_one_clear_error(
    tmp_path: Path, endpoint: Endpoint
) -> None:
    endpoint.answers = {"Yes.": [answer()]}
    texts = corpus(tmp_path, "Yes.")
    endpoint.status = [503, 200]
    assert annotate(texts, tmp_path / "a", options(endpoint), progress=False).annotated == 1
    endpoint.status = [404]
    with pytest.raises(UnisluError, match=r"no such model.*check the address, the key and the model"):
        annotate(texts, tmp_path / "b", options(endpoint), progress=False)


def test_nothing_is_annotated_in_place_or_for_nothing(tmp_path: Path, endpoint: Endpoint) -> None:
    texts = corpus(tmp_path, "Yes.").rename(tmp_path / "manifest.jsonl")
    with pytest.raises(OptionError, match="is the corpus itself"):
        annotate(texts, tmp_path, options(endpoint), progress=False)
    texts.write_text("")
    with pytest.raises(RecordError, match="has no records"):
        annotate(texts, tmp_path / "out", options(endpoint), progress=False)


def test_the_estimate_counts_tokens_and_cost() -> None:
    records = [Record(f"r{n}", "word " * 100) for n in range(10)]
    expected = estimate(records, AnnotateOptions("http://x/v1", "m", prices=(1.0, 2.0)))
    assert expected.records == 10 and 1500 < expected.tokens_read < 2500
    assert expected.cost == pytest.approx((expected.tokens_read + 2 * expected.tokens_written) / 1e6)


@pytest.mark.parametrize(
    "change", [{"endpoint": "localhost"}, {"types": ()}, {"types": ("",)}, {"attempts": 0}]
)
def test_bad_options(change: dict[str, Any]) -> None:
    with pytest.raises(OptionError):
        AnnotateOptions(**{"endpoint": "http://x/v1", "model": "m", **change})


@pytest.mark.parametrize(
    ("prompt", "asked"), [("entities", "named entities"), ("concepts", "fine-grained types")]
)
def test_concepts_are_asked_for_beside_entities(
    tmp_path: Path, endpoint: Endpoint, prompt: str, asked: str
) -> None:
    endpoint.answers["he hoped"] = [answer(("hoped", "emotion"))]
    texts, out = corpus(tmp_path, "he hoped"), tmp_path / "out"
    arguments = ["annotate", str(texts), str(out), "--endpoint", endpoint.url, "--model", "m", "-q"]
    assert main([*arguments, "--prompt", prompt]) == 0
    assert asked in endpoint.requests[0]["messages"][0]["content"]
    (record,) = read_records(out / "manifest.jsonl")
    assert [entity.type for entity in record.entities or ()] == ["emotion"]


def test_audio_is_still_found_from_the_new_folder(tmp_path: Path, endpoint: Endpoint) -> None:
    endpoint.answers["he hoped"] = [answer(("hoped", "emotion"))]
    source = tmp_path / "source"
    (source / "audio").mkdir(parents=True)
    (source / "audio" / "a.flac").write_bytes(b"")
    write_records(source / "manifest.jsonl", [Record("r", "he hoped", audio="audio/a.flac")])
    report = annotate(source / "manifest.jsonl", tmp_path / "x" / "out", options(endpoint), progress=False)
    (record,) = read_records(report.manifest)
    assert record.audio_path(report.manifest.parent).resolve() == source / "audio" / "a.flac"
