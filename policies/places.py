"""Where the pack's files are: a folder of the runner, or a bucket.

An address is a path (relative to the pack's folder) or `s3://BUCKET/KEY`, there with an optional `?versionId=ID`. Each is
read once in a run of the pack: the policies that share a file judge by the same contents.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

_BUCKET = re.compile(r"s3://(?P<bucket>[^/?#]+)/(?P<key>[^?#]+)(?:\?versionId=(?P<version>[^?#&]+))?")


def reader(folder: Path) -> Callable[[str], bytes]:
    """Returns the contents of a file by its address; it raises OSError. `folder`: the pack's."""

    @cache
    def read(address: str) -> bytes:
        return _object(address) if address.startswith("s3://") else (folder / address).read_bytes()

    return read


def _object(address: str) -> bytes:
    found = _BUCKET.fullmatch(address)
    if found is None:
        raise OSError("expected s3://BUCKET/KEY or s3://BUCKET/KEY?versionId=ID")
    import boto3  # only a pack that names a bucket needs it
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    patience = Config(connect_timeout=5, read_timeout=20, retries={"mode": "standard", "max_attempts": 2})
    version = {"VersionId": found["version"]} if found["version"] else {}
    try:
        client: Any = boto3.client("s3", config=patience)
        content = client.get_object(Bucket=found["bucket"], Key=found["key"], **version)["Body"].read()
    except (BotoCoreError, ClientError) as error:
        raise OSError(str(error).rstrip(".")) from None
    return bytes(content)
