"""The health checks of VMs: one HTTP GET each, all at once, within a time limit."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit


def ask_health(urls: Mapping[str, str], *, timeout_s: float = 3.0) -> dict[str, str]:
    """VM → "" where its URL answered 200, else what happened in words.

    The URLs are `http://ADDRESS:PORT/PATH`. They are asked directly: no proxy is used and no redirection followed.
    """
    if not urls:
        return {}
    with ThreadPoolExecutor(max_workers=min(64, len(urls))) as pool:
        return dict(zip(urls, pool.map(lambda url: _ask(url, timeout_s), urls.values()), strict=True))


def _ask(url: str, timeout_s: float) -> str:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout_s)
    try:
        connection.request("GET", parts.path or "/", headers={"User-Agent": "tiercast", "Connection": "close"})
        status = connection.getresponse().status
    except TimeoutError:
        return f"no answer within {timeout_s:g} s"
    except (OSError, http.client.HTTPException) as error:
        return str(getattr(error, "strerror", None) or type(error).__name__).lower()
    finally:
        connection.close()
    return "" if status == 200 else f"it answered {status}"
