#!/usr/bin/env bash
# Make the project's Python environment, .venv, and put the project into it.
#
#   scripts/venv.sh [EXTRA]     EXTRA: an optional part of pyproject.toml, such as test
#
# Does nothing when that has been done for this pyproject.toml, this place and this Python.
set -euo pipefail

cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
extra=${1:-}
record=.venv/installed-by-domsock

say() { printf 'venv: %s\n' "$*" >&2; }
fail() { say "$@"; exit 69; }

# The distribution's own Python: libvirt's packages fit it, and every user can read it.
find_python() {
    local python
    for python in /usr/bin/python3 /usr/bin/python3.1[0-9]; do
        if [[ -x $python ]] && "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
            printf '%s' "$python"
            return
        fi
    done
    fail "no Python 3.11 or newer in /usr/bin. Next: scripts/setup.sh"
}

# What an installation depends on; a copied tree needs its own, since programs in .venv name it.
state() {
    sha256sum <pyproject.toml
    readlink -f .venv .venv/bin/python
    printf 'extra:'
}

current() { [[ -x .venv/bin/python && -f $record && $(<"$record") == "$(state)"*"$extra" ]]; }

# An environment in use is kept; one that was copied here, or whose Python is gone, is made anew.
make_environment() {
    local python
    if grep --quiet --no-messages "=\"\?$PWD/.venv\"\?$" .venv/bin/activate &&
        .venv/bin/python -m pip --version >/dev/null 2>&1; then
        return
    fi
    python=$(find_python)
    "$python" -m venv --clear .venv || fail "$python could not make .venv. Next: scripts/setup.sh"
}

install_project() {
    say "installing the Python packages (a minute or two, the first time)"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --editable ".${extra:+[$extra]}" ||
        fail "pip could not install the project; it says above why." \
            "Next: mend that (often the network), then run the same command again."
}

main() {
    exec 9<pyproject.toml && flock 9 # one at a time
    if current; then return; fi
    rm -f "$record"
    make_environment
    install_project
    printf '%s%s\n' "$(state)" "$extra" >"$record"
}

main
