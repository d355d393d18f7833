"""Files that are not what their name says end in one sentence with the cause and the fix; a byte order mark is read."""

from __future__ import annotations

import gzip
from datetime import timedelta
from pathlib import Path

import pytest

from forecaster.errors import HistoryError
from reconciler.adapters.history.read import read_history
from reconciler.adapters.sources.files import FileSource
from reconciler.adapters.sources.protocol import ReadWindow

HOUR = timedelta(hours=1)
TEXT = "timestamp,user_id,application_id,requests\n2024-01-01T00:00:00Z,u,a,3\n2024-01-01T01:00:00Z,u,a,4\n"
COMMAS = TEXT.replace(",", ";").replace(";3", ";3,5")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("h.csv", gzip.compress(TEXT.encode()), ": is compressed with gzip; rename it to end in .gz, or decompress it."),
        ("h.csv.gz", TEXT.encode(), ": is not compressed with gzip although its name ends in .gz; remove .gz from the name."),
        ("h.csv.gz", gzip.compress(TEXT.encode())[:-12], ": the gzip data is damaged or cut short; copy or export the file again."),
        ("h.csv", TEXT.encode("utf-16"), ": is UTF-16 text; save it as UTF-8."),
        ("h.csv.gz", gzip.compress(TEXT.encode("utf-16")), ": is UTF-16 text; save it as UTF-8."),
        ("h.csv", b"PAR1 and more", ": is a Parquet file; rename it to end in .parquet."),
        ("h.parquet", TEXT.encode(), ": is not a Parquet file although its name ends in .parquet; rename or replace it."),
        ("h.csv", COMMAS.encode(), ", line 2: 3,5 has a decimal comma; export the file with decimal points, such as 3.5."),
    ],
)  # fmt: skip
def test_the_sentence_names_the_cause_and_the_fix(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(HistoryError) as caught:
        read_history([tmp_path / name], step=HOUR)
    assert str(caught.value) == f"{tmp_path / name}{said}"


@pytest.mark.parametrize("content", [TEXT.encode("utf-8-sig"), TEXT.replace(",", ";").encode(), TEXT.encode()])
def test_a_byte_order_mark_and_plain_semicolons_are_read(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "h.csv").write_bytes(content)
    assert read_history([tmp_path / "h.csv"], step=HOUR).total().tolist() == [3, 4]


def test_no_sentence_holds_text_of_the_library(tmp_path: Path) -> None:
    file = tmp_path / "h.parquet"
    file.write_bytes(b"PAR1 and nothing else")
    with pytest.raises(HistoryError, match="can't be read as a history") as caught:
        read_history([file], step=HOUR)
    assert not any(word in str(caught.value) for word in ("Error:", "SELECT", "read_parquet", "LINE"))


def test_a_file_that_two_patterns_match_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "h[1].csv").write_text(TEXT)
    source = FileSource(paths=("h*.csv", "*.csv", "h[1].csv", "."), base=tmp_path)
    assert [part.files for part in source.read(ReadWindow())] == [(tmp_path / "h[1].csv",)]
