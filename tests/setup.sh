#!/usr/bin/env bash
# What tests take from elsewhere, by its name there: a browser (Debian: chromium) and, from PyPI, what drives it
# (playwright), another implementation of HdrHistogram (hdrhistogram) and a validator of JSON Schema (jsonschema).
# Usage: tests/setup.sh FOLDER. Everything but Debian's package goes into FOLDER, which is made if it is not there.
# Prints two lines: the path of Python, the path of the browser. Ends with 77, and a reason, where something cannot be had.
#
# What comes from PyPI has its version here, so that a test fails for a change of ours and not of somebody else's. What these
# three ask for in turn, and Debian's browser, which is whatever the system is kept up to date with, have not.
set -euo pipefail
folder=${1:?"usage: tests/setup.sh FOLDER"}
cannot() { echo "cannot be set up: $*" >&2; exit 77; }
pinned=(playwright==1.65.2 hdrhistogram==0.10.8 jsonschema==4.26.0)

python=$folder/venv/bin/python
has_pinned() {
    [ -x "$python" ] && "$python" - "${pinned[@]}" 2>/dev/null <<'CHECK'
import importlib.metadata, sys
sys.exit(any(importlib.metadata.version(name) != version for name, version in (one.split("==") for one in sys.argv[1:])))
CHECK
}
if ! has_pinned; then
    command -v python3 >/dev/null || cannot "there is no python3"
    mkdir -p "$folder"
    python3 -m venv "$folder/venv" >&2 || cannot "python3 makes no virtual environment (Debian: python3-venv)"
    timeout 300 "$python" -m pip install --quiet "${pinned[@]}" >&2 || cannot "PyPI gave no ${pinned[*]}"
fi

found() {
    for name in chromium chromium-browser google-chrome; do command -v "$name" && return; done
    find "$folder/browsers" -type f \( -name chrome -o -name headless_shell -o -name chrome-headless-shell \) 2>/dev/null |
        grep -m1 .
}
if ! found >/dev/null; then
    # Root on Debian (a container, in CI) gets the system's package, which stays installed. Everybody else gets the browser
    # that playwright was made for, into the folder: nothing of theirs is changed.
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        { timeout 120 apt-get update -qq && timeout 400 apt-get install -y -qq --no-install-recommends chromium; } >&2 || true
    else
        PLAYWRIGHT_BROWSERS_PATH=$folder/browsers timeout 300 "$python" -m playwright install chromium >&2 || true
    fi
fi
browser=$(found) || cannot "there is no chromium, and none could be installed"
printf '%s\n%s\n' "$python" "$browser"
