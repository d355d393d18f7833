#!/usr/bin/env bash
# Installs what the project's Python needs: Debian packages and the locked virtualenv. `python -m lab.setup` does the rest.
# Each step runs only if it is needed and prints what it does and why. You can interrupt and repeat it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '==> %s\n' "$*" >&2; }
fail() { printf 'Error: %s\n' "$*" >&2; exit 1; }

find_python() {
    local candidate
    for candidate in python3.11 python3 python3.12 python3.13; do
        if command -v "$candidate" >/dev/null && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
            command -v "$candidate"
            return
        fi
    done
    fail "Python 3.11 or newer is missing: install it with \`apt-get install python3 python3-venv\`."
}

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

missing_packages() {
    local name
    while read -r name _; do
        case $name in '' | '#'*) continue ;; esac
        installed "$name" || echo "$name"
    done <lab/packages.txt
    # Debian splits these off its Python into packages; other builds of Python include them.
    "$python" -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
    "$python" -c 'import pathlib, sysconfig, sys
sys.exit(not (pathlib.Path(sysconfig.get_paths()["include"]) / "Python.h").exists())' || echo python3-dev
}

install_packages() {
    local missing as_root=()
    mapfile -t missing < <(missing_packages)
    [ ${#missing[@]} -eq 0 ] && return
    command -v apt-get >/dev/null ||
        fail "These Debian packages are missing and this machine has no apt-get: ${missing[*]}. Install their programs with your package manager."
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null ||
            fail "These Debian packages are missing: ${missing[*]}. To install them, run make as root once, or install sudo."
        as_root=(sudo)
    fi
    say "Debian packages: ${missing[*]} (libvirt, QEMU and their dependencies; lab/packages.txt has the reasons)"
    "${as_root[@]}" apt-get update -q >&2 || fail "apt-get update failed. See the lines above."
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}" >&2 ||
        fail "apt-get could not install ${missing[*]}. See the lines above."
}

# uv does not read pip's settings, so this passes the machine's indexes and certificates on to uv.
hand_on_pip_settings() {
    local name value
    while IFS='=' read -r name value; do
        value=${value#\'}
        value=${value%\'}
        case ${name##*.} in
            index-url) export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$value}" ;;
            extra-index-url) export UV_INDEX="${UV_INDEX:-${value//$'\n'/ }}" ;;
            find-links) export UV_FIND_LINKS="${UV_FIND_LINKS:-${value// /,}}" ;;
            no-index) export UV_NO_INDEX="${UV_NO_INDEX:-$value}" ;;
            trusted-host) export UV_INSECURE_HOST="${UV_INSECURE_HOST:-$value}" ;;
            cert) export SSL_CERT_FILE="${SSL_CERT_FILE:-$value}" ;;
        esac
    done < <(.venv/bin/python -m pip config list 2>/dev/null)
}

make_virtualenv() {
    local stamp=.venv/.tiercast-lock wanted
    if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
        say "Virtualenv .venv: the project's Python environment"
        rm -rf .venv
        "$python" -m venv .venv
    fi
    wanted=$(.venv/bin/python -V; sha256sum requirements/lock.txt requirements/uv.txt pyproject.toml)
    [ -x .venv/bin/tiercast ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && return
    say "Python packages: the versions of requirements/lock.txt, verified by hash"
    hand_on_pip_settings
    .venv/bin/python -m pip install -q --disable-pip-version-check --require-hashes --upgrade \
        --target .venv/uv -r requirements/uv.txt >&2
    local uv=.venv/uv/bin/uv
    # Install the locked setuptools first: source packages are built with it, so no unpinned package is downloaded.
    awk '/^[^ #]/ { wanted = /^setuptools==/ } wanted' requirements/lock.txt >.venv/setuptools.txt
    "$uv" pip install -q --python .venv/bin/python --require-hashes --no-deps -r .venv/setuptools.txt >&2
    "$uv" pip sync -q --compile-bytecode --python .venv/bin/python --require-hashes --no-build-isolation requirements/lock.txt >&2
    "$uv" pip install -q --python .venv/bin/python --no-deps --no-build-isolation -e . >&2
    printf '%s\n' "$wanted" >"$stamp"
}

python=$(find_python)
install_packages
make_virtualenv
exec .venv/bin/python -m lab.setup
