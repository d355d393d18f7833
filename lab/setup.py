"""The set-up's second half, in the virtualenv: engine, wrappers and the guests' image. `python -m lab.setup`.

Idempotent and quick where nothing is missing; starts no daemon (that is `tiercast lab up`).
"""

from __future__ import annotations

import sys

from lab import engine, image, paths
from lab.errors import LabError
from lab.progress import to_stderr


def main() -> int:
    """Build what is missing. Exit code 1 with one sentence where that can't be done."""
    try:
        cache = paths.cache_directory()
        engine.ensure(cache, to_stderr)
        image.build(image.find_kernel(), cache / "image")
    except LabError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted. Run the command again to continue.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
