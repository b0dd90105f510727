"""Settings of the server: from flags (`--max-queue 8`), else from the environment (`UNISLU_MAX_QUEUE=8`)."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any

from ..bundle import parse_reference
from ..engines.devices import DEVICES
from ..errors import OptionError

PREFIX = "UNISLU_"
MIN_KEY = 16
"""Minimum characters of a key: shorter ones can be guessed."""
ALIASES = (
    "whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe", "gpt-4o-transcribe-diarize",
    "gpt-transcribe", "unislu",
)  # fmt: skip
"""Model names that existing clients use; they and those of `--models` mean the main model."""
_YES, _NO = ("1", "true", "yes", "on"), ("", "0", "false", "no", "off")


def _setting(default: Any, help_: str, secret: bool = False) -> Any:
    return field(default=default, repr=not secret, metadata={"help": help_})


@dataclass(frozen=True)
class ServerSettings:
    """All settings of the server, checked once. Raises `OptionError` for an invalid value."""

    host: str = _setting("127.0.0.1", "address to listen on")
    port: int = _setting(8000, "port to listen on; 0 = any free one")
    bundle: str | None = _setting(None, "model bundle: a name of `unislu models`, a folder, or hf:owner/name")
    threads: int | None = _setting(None, "threads of the model (default: all cores)")
    device: str = _setting("cpu", "device of the models; all but cpu and auto need bundles in float16")
    keys: tuple[str, ...] = _setting((), "accepted bearer keys, separated by commas", secret=True)
    key_file: str | None = _setting(None, "file with one bearer key per line")
    models: tuple[str, ...] = _setting((), "additional model names that clients may use, e.g. org/model")
    load: tuple[str, ...] = _setting(
        (), "names of further models to load; requests choose one with the field `model`"
    )
    insecure: bool = _setting(
        False, "allow listening on other addresses than this machine's own without a key"
    )
    cors: tuple[str, ...] = _setting((), "origins whose pages may call the server, e.g. https://app.example")
    hosts: tuple[str, ...] = _setting((), "additional host names of this server (its own are known)")
    data: str | None = _setting(None, "folder for jobs (default: the user's state folder)")
    work: str | None = _setting(None, "folder for uploads while they are processed (default: inside --data)")
    max_disk_mb: float = _setting(4000.0, "megabytes for uploads there, and the same again for those of jobs")
    max_upload_mb: float = _setting(200.0, "largest upload in megabytes")
    max_seconds: float = _setting(4 * 3600.0, "longest audio in seconds")
    max_queue: int = _setting(64, "maximum requests running or waiting; further ones are told to retry")
    max_batch: int = _setting(8, "maximum requests transcribed together")
    batch_wait_ms: float = _setting(4.0, "batching delay: milliseconds an idle model waits for more requests")
    decoders: int = _setting(2, "processes that decode uploads")
    decode_timeout: float = _setting(120.0, "maximum seconds for decoding one upload")
    read_timeout: float = _setting(30.0, "seconds without a byte after which an upload is aborted")
    upload_rate: float = _setting(1000.0, "minimum bytes a second of an upload after those seconds")
    upload_timeout: float = _setting(1800.0, "maximum seconds for an upload")
    grace: float = _setting(30.0, "seconds for running requests to finish when the server stops")
    max_jobs: int = _setting(100, "maximum jobs waiting or running")
    keep_days: float = _setting(7.0, "days that a finished job and its result are kept")
    until_fetched: bool = _setting(False, "delete a job as soon as its result was fetched")
    max_listeners: int = _setting(8, "maximum simultaneous live connections")
    max_session: float = _setting(4 * 3600.0, "longest live connection in seconds")
    key_share: float = _setting(
        0.5, "maximum share of requests, jobs and connections for one of several keys"
    )
    wyoming: str | None = _setting(
        None, "HOST:PORT to listen on for Home Assistant's Wyoming protocol, which knows no keys"
    )
    access_log: bool = _setting(False, "log every request")

    def __post_init__(self) -> None:
        if self.key_file is not None:
            object.__setattr__(self, "keys", (*self.keys, *_read_keys(self.key_file)))
        for key in self.keys:
            check_key(key, "a bearer key")
        if not 0 <= self.port <= 65_535:
            raise OptionError(f"port is {self.port}: give a number from 0 to 65535")
        if self.threads is not None and self.threads < 1:
            raise OptionError(f"threads is {self.threads}: give a whole number from 1")
        if self.device not in DEVICES:
            raise OptionError(f"device is {self.device!r}: choose from {', '.join(DEVICES)}")
        for name in ("max_disk_mb", "max_upload_mb", "max_seconds", "max_queue", "max_batch", "decoders",
                     "decode_timeout", "read_timeout", "upload_rate", "upload_timeout", "grace",
                     "max_jobs", "keep_days", "max_listeners", "max_session"):  # fmt: skip
            if not getattr(self, name) > 0:
                raise OptionError(f"{name} is {getattr(self, name)}: give a number above 0")
        if not 0 < self.key_share <= 1:
            raise OptionError(f"key_share is {self.key_share}: give a number above 0 and up to 1")
        _check_names(self.load)
        for origin in self.cors:
            if origin == "*" or "://" not in origin or origin.endswith("/"):
                raise OptionError(f"CORS origin {origin!r}: name each as scheme://host[:port]")
        if not (self.keys or self.insecure or is_loopback(self.host)):
            raise OptionError(
                f"{self.host} can be reached from other machines, but no key is set: set {PREFIX}KEYS or "
                "--key-file, listen on 127.0.0.1, or use --insecure if anybody may use this server"
            )

        if self.wyoming is not None and not (is_loopback(split_address(self.wyoming)[0]) or self.insecure):
            raise OptionError(
                f"wyoming is {self.wyoming}, which other machines can reach, and the protocol has no keys: "
                "listen on 127.0.0.1, or use --insecure if everybody who can reach it may use it"
            )

    @property
    def max_bytes(self) -> int:
        """Largest request body in bytes."""
        return int(self.max_upload_mb * 1_000_000)

    @property
    def max_disk_bytes(self) -> int:
        """Disk space for uploads in bytes."""
        return int(self.max_disk_mb * 1_000_000)

    @property
    def work_folder(self) -> Path:
        """The folder for uploads while they are processed."""
        return self.data_folder / "work" if self.work is None else Path(self.work)

    @property
    def share(self) -> float:
        """The share of places that one owner may hold: all of them if there is only one owner."""
        return self.key_share if len(self.keys) > 1 else 1.0

    @property
    def data_folder(self) -> Path:
        """The folder for jobs."""
        if self.data is not None:
            return Path(self.data)
        state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
        return Path(state) / "unislu" / f"server-{self.port}"

    @classmethod
    def read(cls, flags: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> ServerSettings:
        """Flags that are not None, else the environment, else the defaults. Raises `OptionError`."""
        values: dict[str, Any] = {}
        for item in fields(cls):
            variable = PREFIX + item.name.upper()
            if flags.get(item.name) is not None:
                values[item.name] = flags[item.name]
            elif variable in environment:
                values[item.name] = parse(item, environment[variable], variable)
        return cls(**values)


def parse(item: Field[Any], text: str, where: str) -> Any:
    """The value of a setting from text. Raises `OptionError` that names `where`."""
    kind = str(item.type).removesuffix(" | None")
    try:
        if kind == "bool":
            if text.lower() not in (*_YES, *_NO):
                raise ValueError
            return text.lower() in _YES
        if kind.startswith("tuple"):
            return tuple(part.strip() for part in text.split(",") if part.strip())
        return {"int": int, "float": float, "str": str}[kind](text)
    except ValueError:
        wanted = {"bool": "yes or no", "int": "a whole number"}.get(kind, "a number")
        raise OptionError(f"{where} is {text!r}: give {wanted}") from None


def check_key(key: str, what: str) -> None:
    """Raises `OptionError` for a key that can be guessed or cannot be sent in a header."""
    if len(key) < MIN_KEY or not key.isascii() or not key.isprintable() or " " in key:
        raise OptionError(
            f"{what} needs {MIN_KEY} or more printable ASCII characters without blanks: make one with "
            "`openssl rand -hex 16`"
        )


def _check_names(names: tuple[str, ...]) -> None:
    """Raises `OptionError` for what `--load` cannot load: paths, and names that are taken."""
    for name in names:
        if parse_reference(name) is None:
            raise OptionError(f"--load {name}: give names of `unislu models`, for example small or small@1.0")
        if name in ALIASES or names.count(name) > 1:
            raise OptionError(f"--load {name}: that name is taken; load each model once")


def split_address(text: str) -> tuple[str, int]:
    """Host and port of HOST:PORT, where an IPv6 host stands in brackets. Raises `OptionError`."""
    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise OptionError(f"wyoming is {text!r}: give HOST:PORT, e.g. 127.0.0.1:10300")
    return host.removeprefix("[").removesuffix("]"), int(port)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _read_keys(path: str) -> tuple[str, ...]:
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or error
        raise OptionError(f"{path}: keys cannot be read ({reason}); check --key-file") from None
    keys = tuple(line.strip() for line in lines if line.strip() and not line.startswith("#"))
    if not keys:
        raise OptionError(f"{path}: has no key; write one per line")
    return keys
