"""Files that are not what their name says, or whose text DuckDB reads wrongly: told from their first bytes and lines."""

from __future__ import annotations

import codecs
import gzip
import re
import zlib
from itertools import islice
from pathlib import Path

from forecaster.errors import HistoryError

GZIP, PARQUET = b"\x1f\x8b", b"PAR1"
#: Lines that are looked at for decimal commas.
LINES = 200
_DECIMAL_COMMA = re.compile(r"-?\d+,\d+")


def refuse_disguised(file: Path) -> None:
    """Raise `HistoryError`, with the cause and the fix, for a file in another format, encoding or number style.

    A UTF-8 byte order mark is read, not refused.
    """
    name = file.name.lower()
    with file.open("rb") as stream:
        head = stream.read(4)
    if name.endswith(".parquet"):
        if head != PARQUET:
            raise HistoryError(
                f"{file}: is not a Parquet file although its name ends in .parquet; rename or replace it."
            )
        return
    if head == PARQUET:
        raise HistoryError(f"{file}: is a Parquet file; rename it to end in .parquet.")
    packed = name.endswith(".gz")
    if head.startswith(GZIP) and not packed:
        raise HistoryError(f"{file}: is compressed with gzip; rename it to end in .gz, or decompress it.")
    if packed and not head.startswith(GZIP):
        raise HistoryError(
            f"{file}: is not compressed with gzip although its name ends in .gz; remove .gz from the name."
        )
    lines = _first_lines(file, packed)
    if lines and lines[0].startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise HistoryError(f"{file}: is UTF-16 text; save it as UTF-8.")
    _refuse_decimal_commas(file, [line.decode("utf-8-sig", errors="replace").rstrip("\r\n") for line in lines])


def _first_lines(file: Path, packed: bool) -> list[bytes]:
    try:
        with gzip.open(file, "rb") if packed else file.open("rb") as stream:
            return list(islice(stream, LINES))
    except (OSError, EOFError, ValueError, zlib.error):
        raise HistoryError(f"{file}: the gzip data is damaged or cut short; copy or export the file again.") from None


def _refuse_decimal_commas(file: Path, lines: list[str]) -> None:
    if not lines or lines[0].count(";") <= lines[0].count(","):
        return
    for number, line in enumerate(lines, 1):
        found = next((field for field in line.split(";") if _DECIMAL_COMMA.fullmatch(field.strip(' "'))), None)
        if found is not None:
            raise HistoryError(
                f"{file}, line {number}: {found.strip()} has a decimal comma; export the file with decimal points, such as "
                f"{found.strip().replace(',', '.')}."
            )
