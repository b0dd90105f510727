"""A server under everything at once: honest clients, and every kind of abuse it must outlive.

python benchmarks/soak.py                                  # 64 clients for five minutes
python benchmarks/soak.py --clients 12 --seconds 10 --output soak.json

Starts `unislu serve` on a free port of this machine. A third of the clients ask honestly, the others misuse
it with a key of their own; what each may be answered is written beside it. Ends with 1 when an answer was 5xx
or none of those, no honest client was served, memory or the disk did not stay flat, or something was left.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import httpx
import numpy as np
import psutil
import soundfile
import websockets
from load import JFK, PATH
from machine import describe

from unislu.audio import SAMPLE_RATE, load_audio

HONEST, ABUSE = "the-key-of-honest-clients", "the-key-of-the-others"
LIMITS = {
    "read-timeout": 2, "upload-timeout": 8, "max-session": 10, "max-upload-mb": 5, "max-seconds": 60,
    "max-disk-mb": 200, "max-listeners": 8, "max-jobs": 40, "decode-timeout": 30,
}  # fmt: skip
MAX_GROWTH = 0.10
GONE = "gone"  # the client left, or the server hung up, as it should


@dataclass
class Tally:
    """What happened, by behaviour; what may not; seconds that honest transcriptions took."""

    answers: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    wrong: list[str] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    samples: list[dict[str, float]] = field(default_factory=list)


@dataclass
class Attempt:
    """What a behaviour has to work with."""

    url: str
    http: httpx.AsyncClient
    draw: random.Random
    sounds: dict[str, bytes]
    tally: Tally

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    async def post(self, path: str, sound: str | None = None, **fields: Any) -> httpx.Response:
        files = None if sound is None else {"file": ("clip.wav", self.sounds[sound])}
        return await self.http.post(path, data=fields, files=files)

    def head(self, path: str, length: int) -> bytes:
        key = self.http.headers["authorization"]
        return (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {key}\r\nContent-Type: audio/wav\r\n"
            f"Content-Length: {length}\r\n\r\n"
        ).encode()


Behaviour = Callable[[Attempt], Awaitable[str]]
honest: dict[str, tuple[Behaviour, set[str]]] = {}
abuse: dict[str, tuple[Behaviour, set[str]]] = {}


def may(kind: dict[str, tuple[Behaviour, set[str]]], *answers: str) -> Callable[[Behaviour], Behaviour]:
    """Registers a behaviour with what it may be answered; whoever is told to retry later does."""

    def register(behaviour: Behaviour) -> Behaviour:
        kind[behaviour.__name__] = behaviour, {*answers, "429"}
        return behaviour

    return register


@may(honest, "200")
async def transcribe(a: Attempt) -> str:
    begun = time.monotonic()
    answer = await a.post(PATH, a.draw.choice(["speech", "short"]), model="whisper-1", language="en-US")
    if answer.status_code == 200:
        assert answer.json()["text"].strip(), "nothing was transcribed"
        a.tally.latencies.append(time.monotonic() - begun)
    return str(answer.status_code)


@may(honest, "200")
async def stream(a: Attempt) -> str:
    answer = await a.post(PATH, "speech", model="whisper-1", stream="true")
    assert answer.status_code != 200 or answer.text.endswith("data: [DONE]\n\n"), answer.text[-200:]
    return str(answer.status_code)


@may(honest, "done")
async def job(a: Attempt) -> str:
    made = await a.post("/v1/jobs", "speech", tasks="asr")
    if made.status_code != 202:
        return str(made.status_code)
    path, state = f"/v1/jobs/{made.json()['id']}", made.json()
    while state["status"] in ("queued", "running"):
        state = (await a.http.get(path, params={"wait": 20})).json()
    assert state["status"] != "done" or (await a.http.get(f"{path}/result?format=srt")).status_code == 200
    await a.http.delete(path)
    return str(state["status"])


@may(abuse, "400")
async def bad_field(a: Attempt) -> str:
    name, value = a.draw.choice(
        [("entities", "per\nson"), ("bias", "nan"), ("beam", "1e9"), ("tasks", "[" * 5_000),
         ("format", "\x1b[31m"), ("nonsense", "x"), ("entities", '["\\ud800"]'), ("redact", "\r")]
    )  # fmt: skip
    return str((await a.post("/v1/analyze", "short", **{name: value})).status_code)


@may(abuse, "400")
async def bad_file(a: Attempt) -> str:
    sound = a.draw.choice(["empty", "text", "noise", "header", "1 Hz", "2 GHz"])
    return str((await a.post(a.draw.choice(["/v1/analyze", "/v1/redact"]), sound)).status_code)


@may(abuse, "413")
async def bomb(a: Attempt) -> str:
    return str((await a.post("/v1/analyze", a.draw.choice(["long", "large"]))).status_code)


@may(abuse, "200")
async def render(a: Attempt) -> str:
    path = f"/v1/render?format={a.draw.choice(['srt', 'vtt', 'html'])}"
    headers = {"Content-Type": "application/json"}
    return str((await a.http.post(path, content=a.sounds["result"], headers=headers)).status_code)


@may(abuse, "400")
async def bad_result(a: Attempt) -> str:
    body = a.draw.choice([b'{"schema_version": 1, "text": NaN}', b'"\\ud800"', b"[" * 100_000, b"{}"])
    headers = {"Content-Type": "application/json"}
    return str((await a.http.post("/v1/render", content=body, headers=headers)).status_code)


@may(abuse, "401")
async def wrong_key(a: Attempt) -> str:
    return str(
        (await a.http.get("/v1/models", headers={"Authorization": "Bearer a-wrong-key-of-mine"})).status_code
    )


@may(abuse, "403")
async def foreign_page(a: Attempt) -> str:
    files = {"file": ("a.wav", a.sounds["short"])}
    origin = {"Origin": "https://evil.example"}
    return str((await a.http.post("/v1/analyze", files=files, headers=origin)).status_code)


@may(abuse, "408", GONE)
async def drip(a: Attempt) -> str:
    """One byte after another."""
    reader, writer = await asyncio.open_connection("127.0.0.1", a.port)
    try:
        writer.write(a.head("/v1/analyze", 100_000))
        for _ in range(60):
            writer.write(b"x")
            await writer.drain()
            with contextlib.suppress(TimeoutError):
                said = await asyncio.wait_for(reader.read(4096), 0.25)
                return said.split()[1].decode() if said else GONE
        raise AssertionError("a slow upload was never given up")
    finally:
        writer.close()


@may(abuse, GONE)
async def hang_up(a: Attempt) -> str:
    """Half an upload, then nothing."""
    _, writer = await asyncio.open_connection("127.0.0.1", a.port)
    writer.write(a.head("/v1/analyze", 400_000) + a.sounds["noise"])
    await writer.drain()
    await asyncio.sleep(a.draw.random())
    writer.close()
    return GONE


@may(abuse, GONE)
async def leave(a: Attempt) -> str:
    """Asks for work and does not wait for it."""
    with contextlib.suppress(httpx.TimeoutException):
        await a.http.post(
            PATH, data={"model": "whisper-1", "stream": a.draw.choice(["true", "false"])},
            files={"file": ("a.wav", a.sounds["speech"])}, timeout=0.2 + a.draw.random(),
        )  # fmt: skip
    return GONE


@may(abuse, GONE)
async def half_a_head(a: Attempt) -> str:
    """On a connection that was used."""
    reader, writer = await asyncio.open_connection("127.0.0.1", a.port)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    assert (await reader.read(4096)).startswith(b"HTTP/1.1 200")
    writer.write(b"POST /v1/analyze HTTP/1.1\r\nX: ")
    await asyncio.sleep(2 * a.draw.random())
    writer.close()
    return GONE


@may(abuse, "1000", "1001")
async def listen(a: Attempt) -> str:
    """Live: sound in odd pieces, or nothing but empty messages and keep-alives."""
    what = a.draw.choice(["sound", "empty", "alive"])
    pieces = {"sound": a.sounds["short"][44:3_245], "empty": b"", "alive": '{"type": "KeepAlive"}'}
    headers = {"Authorization": a.http.headers["authorization"]}
    try:
        url = f"ws://127.0.0.1:{a.port}/v1/listen?tasks=asr"
        async with websockets.connect(url, additional_headers=headers) as socket:
            with contextlib.suppress(websockets.ConnectionClosed):
                for _ in range(a.draw.randrange(5, 30)):
                    await socket.send(pieces[what])
                    await asyncio.sleep(0.05)
                await socket.send('{"type": "finish"}')
            with contextlib.suppress(websockets.ConnectionClosed):
                async for _ in socket:
                    pass
        return str(socket.close_code)
    except websockets.InvalidStatus as error:
        return str(error.response.status_code)


def sounds() -> dict[str, bytes]:
    """What is sent."""
    samples = load_audio(JFK)

    def wav(part: Any, rate: int = SAMPLE_RATE, format_: str = "WAV") -> bytes:
        data = io.BytesIO()
        soundfile.write(data, part, rate, format=format_, subtype="PCM_16")
        return data.getvalue()

    def stating(rate: int) -> bytes:
        data = bytearray(wav(samples[: 2 * SAMPLE_RATE]))
        data[24:28] = rate.to_bytes(4, "little")
        return bytes(data)

    letters = 20_000
    entities = [{"type": "X", "text": "a", "start_char": n, "end_char": n + 1} for n in range(0, letters, 2)]
    segment = {"start": 0.0, "end": 1.0, "text": "a" * letters, "start_char": 0, "end_char": letters}
    result = {"schema_version": 1, "text": "a" * letters, "duration": 1.0, "model": "m", "entities": entities,
              "segments": [segment]}  # fmt: skip
    return {
        "speech": wav(samples[: round(3.3 * SAMPLE_RATE)]),
        "short": wav(samples[: 2 * SAMPLE_RATE]),
        "empty": b"",
        "text": b"this is not audio " * 500,
        "noise": np.random.default_rng(0).bytes(200_000),
        "header": wav(samples[:100])[:44],
        "1 Hz": stating(1),
        "2 GHz": stating(2_147_483_647),
        "long": wav(np.zeros(600 * SAMPLE_RATE, np.int16), format_="FLAC"),
        "large": bytes(6_000_000),
        "result": json.dumps(result).encode(),
    }


async def client(url: str, tally: Tally, sent: dict[str, bytes], until: float, seed: int, fair: bool) -> None:
    """One behaviour after another until the time is over."""
    draw = random.Random(seed)
    behaviours = honest if fair else abuse
    headers = {"Authorization": f"Bearer {HONEST if fair else ABUSE}"}
    async with httpx.AsyncClient(base_url=url, timeout=120, headers=headers) as http:
        while time.monotonic() < until:
            name = draw.choice(sorted(behaviours))
            behaviour, allowed = behaviours[name]
            try:
                answer = await behaviour(Attempt(url, http, draw, sent, tally))
            except (AssertionError, httpx.HTTPError, OSError) as error:
                answer = f"{type(error).__name__}: {error}"[:200]
            tally.answers[name][answer] += 1
            if answer not in allowed:
                tally.wrong.append(f"{name}: {answer}")
            if answer == "429":
                await asyncio.sleep(0.2 + draw.random())


async def watch(process: psutil.Process, data: Path, tally: Tally, every: float) -> None:
    """Memory (what is theirs alone) and open files of the server, the same of its decoders, and the disk.

    Apart, because decoders come and go: one is ended with the request it works for.
    """
    while True:
        sample = {"disk_mib": disk(data)}
        for who, processes in (("server", [process]), ("decoders", process.children(recursive=True))):
            memory, files = 0, 0
            for one in processes:
                with contextlib.suppress(psutil.Error):
                    memory += one.memory_full_info().uss
                    files += one.num_fds()
            sample |= {f"{who}_mib": memory / 2**20, f"{who}_files": files}
        tally.samples.append(sample)
        await asyncio.sleep(every)


def disk(folder: Path) -> float:
    """MiB of the files in it."""
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # it went meanwhile
            total += path.stat().st_size if path.is_file() else 0
    return total / 2**20


async def soak(url: str, process: psutil.Process, data: Path, clients: int, seconds: float) -> Tally:
    """So many clients for so long."""
    tally, sent = Tally(), sounds()
    watching = asyncio.create_task(watch(process, data, tally, max(0.5, seconds / 120)))
    until = time.monotonic() + seconds
    await asyncio.gather(
        *(client(url, tally, sent, until, seed, fair=seed % 3 == 0) for seed in range(clients))
    )  # fmt: skip
    watching.cancel()
    return tally


def left(data: Path, seconds: float = 30.0) -> list[str]:
    """Files of requests that are still there when nobody asks any more."""
    until = time.monotonic() + seconds
    while found := [str(path) for path in (data / "work" / "requests").rglob("*")]:
        if time.monotonic() > until:
            return found
        time.sleep(0.2)
    return []


def summary(arguments: argparse.Namespace, tally: Tally, kept: list[str]) -> dict[str, Any]:
    """The figures, and under `faults` what was wrong with them."""
    count = len(tally.samples)
    early, late = tally.samples[count // 3 : count // 2 + 1], tally.samples[5 * count // 6 :]
    series = {
        name: {"early": round(median(one[name] for one in early), 1),
               "late": round(median(one[name] for one in late), 1),
               "peak": round(max(one[name] for one in tally.samples), 1)}
        for name in tally.samples[0]
    }  # fmt: skip
    answers = {name: dict(found) for name, found in sorted(tally.answers.items())}
    every = sum((Counter(found) for found in tally.answers.values()), Counter[str]())
    faults = [f"5xx: {answer}" for answer in every if answer.startswith("5")]
    faults += [f"wrong: {one}" for one in dict.fromkeys(tally.wrong)]
    faults += [f"left on disk: {one}" for one in kept[:3]]
    if not tally.latencies:
        faults.append("no honest client was served")
    memory = series["server_mib"]
    if arguments.seconds >= 120 and memory["late"] > (1 + MAX_GROWTH) * memory["early"]:
        faults.append(f"memory grew from {memory['early']} to {memory['late']} MiB")
    if series["disk_mib"]["peak"] > 2 * LIMITS["max-disk-mb"]:
        faults.append(f"the disk filled: {series['disk_mib']['peak']} MiB")
    cuts = quantiles(tally.latencies, n=20, method="inclusive") if len(tally.latencies) > 1 else [0.0] * 19
    return {
        "machine": describe(int(arguments.threads or 0)), "clients": arguments.clients,
        "seconds": arguments.seconds, "requests": every.total(), "answers": answers,
        "honest_seconds": {"count": len(tally.latencies), "p50": round(cuts[9], 2),
                           "p95": round(cuts[18], 2)},
        **series, "faults": faults,
    }  # fmt: skip


def wait_until_ready(log: Path, server: subprocess.Popen[bytes]) -> str:
    """The server's address, once it answers there."""
    for _ in range(1_200):
        if server.poll() is not None:
            break
        words = log.read_text(encoding="utf-8").split()
        if "at" in words and words[-1].startswith("http"):
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{words[-1]}/readyz").status_code == 200:
                    return words[-1]
        time.sleep(0.1)
    raise SystemExit(f"the server does not get ready: {log.read_text(encoding='utf-8')[-2_000:]}")


def parse() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--threads", help="of the model")
    parser.add_argument("--output", type=Path, help="JSON file for the figures")
    return parser.parse_args()


def main() -> int:
    """The exit code."""
    arguments = parse()
    with tempfile.TemporaryDirectory() as folder:
        data, keys, log = Path(folder) / "data", Path(folder) / "keys", Path(folder) / "log"
        keys.write_text(f"{HONEST}\n{ABUSE}\n", encoding="utf-8")
        command = [sys.executable, "-m", "unislu", "serve", "--port", "0", "--data", str(data)]
        command += ["--key-file", str(keys), *(["--threads", arguments.threads] if arguments.threads else [])]
        for name, value in LIMITS.items():
            command += [f"--{name}", str(value)]
        with open(log, "w", encoding="utf-8") as errors:
            server = subprocess.Popen(command, stderr=errors)
        try:
            url = wait_until_ready(log, server)
            tally = asyncio.run(
                soak(url, psutil.Process(server.pid), data, arguments.clients, arguments.seconds)
            )
            kept = left(data)
        finally:
            server.terminate()
            server.wait(60)
        report = summary(arguments, tally, kept)
        said = log.read_text(encoding="utf-8")
        report["faults"] += ["the server's log has a traceback"] if "Traceback" in said else []
    text = json.dumps(report, indent=2)
    print(text)
    if arguments.output is not None:
        arguments.output.write_text(text + "\n", encoding="utf-8")
    for fault in report["faults"]:
        print(fault, file=sys.stderr)
    if "Traceback" in said:
        print(said[-4_000:], file=sys.stderr)
    return 1 if report["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
