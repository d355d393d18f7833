#!/usr/bin/env bash
# Resolve the dependencies again. The files hold hashes and no index addresses, so that any mirror can serve them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
compile=(.venv/uv/bin/uv pip compile -q --universal --generate-hashes --python-version 3.11 --no-emit-find-links
    --no-emit-index-url --upgrade)
"${compile[@]}" --all-extras pyproject.toml -o requirements/lock.txt
{
    echo "# The installer that installs requirements/lock.txt; refreshed by \`make lock\`."
    echo uv | "${compile[@]}" --no-header --no-annotate -
} >requirements/uv.txt.part
mv requirements/uv.txt.part requirements/uv.txt
