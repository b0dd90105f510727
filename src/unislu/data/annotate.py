"""`annotate`: label transcripts with open entity types using a language model (OpenAI-compatible
endpoint).

The model must answer with JSON of one schema. Every answer is checked (schema, phrases that are in the text,
requested types); if it fails, the model is asked again with the reason. Answers are appended to a journal as
they arrive, so that a run that was stopped resumes where it was and pays for nothing twice.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from unislu.data.corpora.build import Tally, find_spans
from unislu.data.records import AnnotatedEntity, Record, output_folder, read_records, write_records
from unislu.errors import OptionError, RecordError, UnisluError, needs
from unislu.files import Journal, read_journal, write_whole
from unislu.progress import Progress
from unislu.sequence import normalize_type

_CHARS_PER_TOKEN = 4.0
_ANSWER_TOKENS = 12  # an entity of the answer, as JSON
_ENTITIES_PER_WORD = 0.15
_JOURNAL, _FAILED = "annotations.jsonl", "failed.jsonl"

INSTRUCTION = (
    "Find the named entities in the user's text. Copy each phrase exactly as it is written there, with its "
    "entity type in a few lower-case words. Answer with JSON only: "
    '{"entities": [{"text": "...", "type": "..."}]}. An empty list is a valid answer.'
)
CONCEPTS = (
    "Label the user's text for a data set of entity recognition: as many entities, concepts and ideas as "
    "it has, under fine-grained types that you invent where the traditional ones do not fit, abstract ones "
    "among them. A type says what a phrase means, not its part of speech; leave meaningless phrases out. "
    "Copy each phrase exactly as it is written there, with its type in a few lower-case words. Answer with "
    'JSON only: {"entities": [{"text": "...", "type": "..."}]}. An empty list is a valid answer.'
)
"""What NuNER's annotators were asked for, and WhisperNER's after them, in our words and schema."""
PROMPTS = {"entities": INSTRUCTION, "concepts": CONCEPTS}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "entities": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"text": {"type": "string"}, "type": {"type": "string"}},
                "required": ["text", "type"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["entities"],
    "additionalProperties": False,
}


@dataclass(frozen=True)
class AnnotateOptions:
    """Options of annotation."""

    endpoint: str
    """Base URL, such as `http://127.0.0.1:8000/v1`."""
    model: str
    """The model's name at the endpoint."""
    types: tuple[str, ...] | None = None
    """The only types wanted; None = any."""
    attempts: int = 3
    """Requests for one text before it is given up."""
    workers: int = 4
    """Parallel requests."""
    timeout: float = 60.0
    """Seconds of one request."""
    prices: tuple[float, float] = (0.0, 0.0)
    """Per million tokens read and written, for the estimate."""
    prompt: Literal["entities", "concepts"] = "entities"
    """What is asked for: one of `PROMPTS`."""

    def __post_init__(self) -> None:
        if not self.endpoint.startswith(("http://", "https://")):
            raise OptionError(f"endpoint {self.endpoint!r}: give a URL such as http://127.0.0.1:8000/v1")
        if self.types is not None and (not self.types or not all(map(normalize_type, self.types))):
            raise OptionError(f"types {self.types!r}: list at least one, none of them empty")
        for name in ("attempts", "workers", "timeout"):
            if getattr(self, name) <= 0:
                raise OptionError(f"{name}: {getattr(self, name)!r} is not a positive number")


@dataclass(frozen=True)
class Estimate:
    """The estimated cost of a run. Tokens are estimated from the characters of the texts."""

    records: int
    tokens_read: int
    tokens_written: int
    cost: float

    def __str__(self) -> str:
        cost = f", about {self.cost:.2f} in the currency of the prices" if self.cost else ""
        return (
            f"{self.records:,} texts: about {self.tokens_read:,} tokens read, "
            f"{self.tokens_written:,} written{cost}"
        )


@dataclass(frozen=True)
class AnnotateReport:
    """The outcome of a run."""

    manifest: Path
    annotated: int
    failed: int
    entities: int
    tally: Tally
    tokens: tuple[int, int]
    seconds: float


class _BadAnswerError(UnisluError):
    """An answer that does not fit the schema; the message goes back to the model."""


def estimate(records: Iterable[Record], options: AnnotateOptions) -> Estimate:
    """Estimate the tokens and the cost of these records."""
    count = read = written = 0
    overhead = len(_system(options)) / _CHARS_PER_TOKEN
    for record in records:
        count += 1
        read += round(overhead + len(record.text) / _CHARS_PER_TOKEN)
        written += round(8 + _ANSWER_TOKENS * (1 + _ENTITIES_PER_WORD * len(record.text.split())))
    cost = (read * options.prices[0] + written * options.prices[1]) / 1e6
    return Estimate(count, read, written, cost)


def annotate(
    texts: str | os.PathLike[str], out: str | os.PathLike[str], options: AnnotateOptions,
    *, limit: int | None = None, progress: bool = True,
) -> AnnotateReport:  # fmt: skip
    """Annotate the records of `texts` into `out/manifest.jsonl`.

    The key is read from `OPENAI_API_KEY` (servers without keys ignore it). Records without a valid answer are
    left out of the manifest and listed with the reason in `failed.jsonl`.

    Raises:
        MissingDependencyError: the openai package is not installed.
        RecordError: a malformed or empty corpus.
        OptionError: `out` cannot be written, or its manifest is `texts`.
        UnisluError: the endpoint cannot be reached or refuses every request (wrong key, unknown model).
    """
    records = list(islice(read_records(texts), limit))
    if not records:
        raise RecordError(f"{os.fspath(texts)}: has no records; nothing to annotate")
    folder = output_folder(out, texts)
    journal = folder / _JOURNAL
    known = {row["id"]: row for row in read_journal(journal) if "id" in row}
    todo = [record for record in records if known.get(record.id, {}).get("source") != record.text]
    client = _client(options) if todo else None
    started, tokens, failures, tally = time.monotonic(), [0, 0], [], Tally()
    bar = Progress(len(records), len(records) - len(todo), unit="records", enabled=progress)
    with bar, Journal(journal) as sink:
        for record, result in _asked(client, todo, options):
            bar.advance()
            if isinstance(result, _BadAnswerError):
                failures.append({"id": record.id, "text": record.text, "reason": str(result)})
                continue
            pairs, used = result
            tokens[0] += used[0]
            tokens[1] += used[1]
            known[record.id] = {"id": record.id, "source": record.text, "entities": pairs}
            sink.add(known[record.id])
    home = Path(texts).parent
    done = [
        _annotated(_with_audio_from(r, home, folder), known[r.id]["entities"], tally)
        for r in records
        if r.id in known
    ]
    count = write_records(folder / "manifest.jsonl", done)
    lines = "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in failures)
    write_whole(folder / _FAILED, lines)
    entities = sum(len(record.entities or ()) for record in done)
    return AnnotateReport(
        folder / "manifest.jsonl", count, len(failures), entities, tally, (tokens[0], tokens[1]),
        time.monotonic() - started,
    )  # fmt: skip


def _annotated(record: Record, pairs: Sequence[Sequence[str]], tally: Tally) -> Record:
    found = find_spans(record.text, [(text, kind) for text, kind in pairs], tally, record.id)
    return replace(
        record, entities=tuple(AnnotatedEntity(e.start, e.end, normalize_type(e.type)) for e in found)
    )


def _with_audio_from(record: Record, home: Path, folder: Path) -> Record:
    """A record of a manifest in `home`, with its audio named as in a manifest in `folder`."""
    if record.audio is None or "://" in record.audio or os.path.isabs(record.audio):
        return record
    return replace(record, audio=os.path.relpath(home / record.audio, folder))


_Answer = tuple[list[tuple[str, str]], tuple[int, int]]


def _asked(
    client: Any, records: Sequence[Record], options: AnnotateOptions
) -> Iterable[tuple[Record, _Answer | _BadAnswerError]]:
    """Answers as they arrive, with a bounded number of parallel requests."""
    waiting: dict[Future[_Answer | _BadAnswerError], Record] = {}
    queue = iter(records)
    with ThreadPoolExecutor(options.workers) as pool:
        try:
            while True:
                for record in islice(queue, 2 * options.workers - len(waiting)):
                    waiting[pool.submit(_ask, client, record, options)] = record
                if not waiting:
                    return
                for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                    yield waiting.pop(future), future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _ask(client: Any, record: Record, options: AnnotateOptions) -> _Answer | _BadAnswerError:
    """Ask about one text until the answer is valid."""
    import openai

    messages: list[dict[str, str]] = [
        {"role": "system", "content": _system(options)},
        {"role": "user", "content": record.text},
    ]
    used = [0, 0]
    problem = _BadAnswerError("no answer")
    for _ in range(options.attempts):
        try:
            answer = client.chat.completions.create(
                model=options.model,
                messages=messages,
                temperature=0,
                response_format={
                    "type": "json_schema",
                    "json_schema": {"name": "entities", "strict": True, "schema": SCHEMA},
                },
            )
        except (openai.APIConnectionError, openai.APIStatusError) as error:
            raise UnisluError(
                f"{options.endpoint}: {error}; check the address, the key and the model"
            ) from error
        if answer.usage is not None:
            used = [used[0] + answer.usage.prompt_tokens, used[1] + answer.usage.completion_tokens]
        content = (answer.choices[0].message.content if answer.choices else None) or ""
        try:
            return checked_answer(content, record.text, options.types), (used[0], used[1])
        except _BadAnswerError as error:
            problem = error
            messages += [
                {"role": "assistant", "content": content},
                {"role": "user", "content": f"That answer cannot be used: {error}. Answer again."},
            ]
    return problem


def checked_answer(content: str, text: str, types: Sequence[str] | None) -> list[tuple[str, str]]:
    """(phrase, type) pairs of an answer that fits the schema, the text and the types."""
    try:
        found = json.loads(content)
    except json.JSONDecodeError as error:
        raise _BadAnswerError(f"it is not JSON: {error}") from None
    items = found.get("entities") if isinstance(found, Mapping) else None
    if not isinstance(items, list):
        raise _BadAnswerError("it has no list `entities`")
    wanted = None if types is None else {normalize_type(name) for name in types}
    pairs = []
    for item in items:
        if not (
            isinstance(item, Mapping)
            and isinstance(item.get("text"), str)
            and isinstance(item.get("type"), str)
        ):
            raise _BadAnswerError(f"{json.dumps(item)[:80]} is not an object with text and type")
        phrase, kind = item["text"].strip(), normalize_type(item["type"])
        if not phrase or phrase not in text:
            raise _BadAnswerError(f"the phrase {phrase!r} is not in the text as it is written")
        if not kind or (wanted is not None and kind not in wanted):
            raise _BadAnswerError(f"the type {item['type']!r} is not one of the wanted ones")
        pairs.append((phrase, kind))
    return pairs


def _system(options: AnnotateOptions) -> str:
    instruction = PROMPTS[options.prompt]
    if options.types is None:
        return instruction
    return f"{instruction} Use only these types: {', '.join(options.types)}."


def _client(options: AnnotateOptions) -> Any:
    with needs("annotate", "annotate"):
        from openai import OpenAI
    key = os.environ.get("OPENAI_API_KEY") or "none"
    # The client's own retries cover rate limits, time-outs and dropped connections, with back-off.
    return OpenAI(base_url=options.endpoint, api_key=key, timeout=options.timeout, max_retries=4)
