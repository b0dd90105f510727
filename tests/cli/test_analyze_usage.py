"""Wrong usage of `unislu analyze`: exit code 2 and one line that says what is wrong."""

from __future__ import annotations

import pytest

from .conftest import StubModel, run

USAGE = [
    ([], "the following arguments are required: FILE"),
    (["{clip}", "--tasks", "asr,translate"], "unknown task 'translate': choose from asr, ner, sa"),
    (["{clip}", "--tasks", ""], "--tasks: the value is empty"),
    (["{clip}", "--entities", ""], "--entities: the value is empty"),
    (["{clip}", "-o", ""], "-o/--output: the value is empty"),
    (["{clip}", "--entities", "person", "drug"], "'drug' is unexpected"),
    (["{clip}", "--entities", "a,,b"], "entity type '' is empty"),
    (["{clip}", "--entities", ",".join(f"t{n}" for n in range(501))], "501 entity types: at most 500"),
    (["{clip}", "--entities", "dragon"], "this bundle only has the types PERSON"),
    (["{clip}", "--bias", "nan"], "bias is nan"),
    (["{clip}", "--bias", "inf"], "bias is inf"),
    (["{clip}", "--bias", "much"], "'much' is not a number"),
    (["{clip}", "--bias", "person="], "'' is not a number"),
    (["{clip}", "--bias", "person=1,2"], "'2' is not TYPE=NUMBER"),
    (["{clip}", "--bias", "person=1,person=2"], "'person' is listed twice"),
    (["{clip}", "--beam", "0"], "'0' is not a whole number from 1"),
    (["{clip}", "--beam", "99"], "beam is 99"),
    (["{clip}", "--threads", "x"], "'x' is not a whole number from 1"),
    (["{clip}", "--style", "loud"], "unknown style 'loud'"),
    (["{clip}", "--format", "xml"], "unknown format 'xml'"),
    (["{clip}", "{clip}", "--format", "srt"], "--format srt of 2 files needs a folder: add -o DIR"),
    (["{clip}", "--format", "txt", "--tasks", "sa"], "add asr to --tasks"),
    (["{clip}", "-o", "{clip}"], "is not a folder and cannot be created"),
    (["{clip}", "--frmt", "json"], "unknown option --frmt, did you mean --format?"),
    (["-", "-"], "- is listed twice, but stdin can be read only once"),
    (["{clip}", "--device", "tpu"], "--device"),
    (["{clip}", "--bias", "1,5"], "'1,5' is not a number: write 1.5"),
    (["{clip}", "--pad", "0,2"], "'0,2' is not a number: write 0.2"),
    (["{clip}", "--vocabulary", "none.txt"], "vocabulary none.txt: cannot be read (No such file"),
    (["{clip}", "--vocabulary", "{clip}"], "not UTF-8"),
]


@pytest.mark.parametrize(("arguments", "message"), USAGE, ids=[" ".join(a)[:30] for a, _ in USAGE])
def test_wrong_usage(
    arguments: list[str], message: str, stub: StubModel, clip: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, *[argument.format(clip=clip) for argument in arguments])
    assert (code, out) == (2, "") and message in err and err.count("\n") == 1
