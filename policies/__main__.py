"""What the engine starts: serves the pack, and prints nothing before the port that the SDK prints."""

from __future__ import annotations

import sys
from pathlib import Path

# The engine runs this folder as a program, so the repository's root is not on the path unless tiercast is installed.
sys.path.append(str(Path(__file__).resolve().parent.parent))

from policies.pack import RULES
from policies.wire import serve

if __name__ == "__main__":
    serve(RULES, Path(__file__).resolve().parent)
