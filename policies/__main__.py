"""What the engine starts: serves the pack, and prints nothing before the port that the SDK prints."""

from __future__ import annotations

import sys
from pathlib import Path

# The engine runs this folder as a program. What stands beside it comes before an installed tiercast: a pack of the base
# branch must judge by its own code, not by the branch that happens to be installed.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from policies.pack import RULES
from policies.wire import serve

if __name__ == "__main__":
    serve(RULES, Path(__file__).resolve().parent)
