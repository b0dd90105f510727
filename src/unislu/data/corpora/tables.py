"""Rows of the tables corpora come in: TSV, JSON, JSON lines, Parquet, data sets of the Hugging Face hub."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from unislu.bundle import hub_repository
from unislu.data.lines import json_objects, read_lines, tsv_fields
from unislu.errors import RecordError, needs

Row = Mapping[str, Any]
#: Where the hub keeps every data set as Parquet, whatever it was uploaded as.
_PARQUET_REVISION = "refs/convert/parquet"


def tsv_rows(path: Path, columns: list[str] | None = None) -> Iterator[tuple[str, Row]]:
    """(place, row) of a tab-separated file, one row a line; `columns` for a file without a header line.

    Raises:
        RecordError: it cannot be read, or a line has more or fewer fields than there are columns.
    """
    # A table with a header was written by pandas, which quotes; one without was not.
    split = tsv_fields if columns is None else lambda line: line.split("\t")
    for number, line in read_lines(path):
        if not line.strip():
            continue
        fields = split(line)
        if columns is None:
            columns = fields
            continue
        if len(fields) != len(columns):
            raise RecordError(
                f"{path}:{number}: has {len(fields)} fields, and there are {len(columns)} columns; a row is "
                "one line, its fields separated by tabs"
            )
        yield f"{path}:{number}", dict(zip(columns, fields, strict=True))


def reason(error: Exception) -> str:
    """The reason of an error, without the path that the message already names."""
    return (isinstance(error, OSError) and error.strerror) or str(error)


def json_rows(path: Path) -> Iterator[tuple[str, Row]]:
    """(place, row) of a JSON list, or of JSON lines."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"{path}: cannot be read as JSON: {reason(error)}") from error
    yield from json_objects(text, str(path))


def dataset_rows(source: Path, config: str, split: str) -> Iterator[tuple[str, Row]]:
    """(place, row) of a data set: a Parquet file, a folder of them, or `hf:owner/name` on the hub.

    Raises:
        MissingDependencyError: pyarrow, or huggingface-hub for a name, is not installed.
        RecordError: there are no Parquet files of that config and split.
    """
    with needs("Parquet", "prepare"):
        import pyarrow
        import pyarrow.parquet as parquet
    for path in _parquet_files(source, config, split):
        number = 0
        try:
            for batch in parquet.ParquetFile(path).iter_batches(batch_size=64):
                for row in batch.to_pylist():
                    number += 1
                    yield f"{path}: row {number}", row
        except (OSError, pyarrow.ArrowException) as error:
            raise RecordError(f"{path}: cannot be read as Parquet: {error}; fetch it again") from error


def _parquet_files(source: Path, config: str, split: str) -> list[Path]:
    if source.is_file():
        return [source]
    if (repository := hub_repository(source.as_posix())) is not None:
        source = _downloaded(*repository, config, split)
    for pattern in (f"{config}/{split}/*.parquet", f"{config}/{split}*.parquet", f"{split}*.parquet"):
        if found := sorted(source.glob(pattern)):
            return found
    raise RecordError(
        f"{source}: no Parquet files of config {config!r}, split {split!r} here; check SOURCE and --split"
    )


def _downloaded(name: str, revision: str | None, config: str, split: str) -> Path:
    with needs(f"hf:{name}", "prepare"):
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError
    try:
        return Path(
            snapshot_download(
                name,
                repo_type="dataset",
                revision=revision or _PARQUET_REVISION,
                allow_patterns=[f"{config}/{split}/*.parquet"],
            )
        )
    except (HfHubHTTPError, OSError) as error:
        raise RecordError(
            f"hf:{name}: could not be downloaded: {error}; check the name; "
            "if it is gated, accept the conditions on its page and log in with `hf auth login`"
        ) from error
