"""The program that the engine starts. It serves the pack. The first line of its output is the port that the SDK prints."""

from __future__ import annotations

import sys
from pathlib import Path

# The engine runs this folder as a program. The packages next to it take precedence over an installed tiercast: a pack of
# the base branch must judge by its own code, not by the branch that is installed.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from policies.pack import RULES
from policies.wire import serve

if __name__ == "__main__":
    serve(RULES, Path(__file__).resolve().parent)
