#!/usr/bin/env bash
# What tests take from elsewhere, by its name there: a browser (Debian: chromium) and, from PyPI, what drives it
# (playwright), another implementation of HdrHistogram (hdrhistogram) and a validator of JSON Schema (jsonschema).
# Usage: tests/setup.sh FOLDER. Everything but Debian's package goes into FOLDER, which is made if it is not there.
# Prints two lines: the path of Python, the path of the browser. Ends with 77, and a reason, where something cannot be had.
set -euo pipefail
folder=${1:?"usage: tests/setup.sh FOLDER"}
cannot() { echo "cannot be set up: $*" >&2; exit 77; }

python=$folder/venv/bin/python
if ! [ -x "$python" ] || ! "$python" -c 'import playwright, hdrh, jsonschema' 2>/dev/null; then
    command -v python3 >/dev/null || cannot "there is no python3"
    mkdir -p "$folder"
    python3 -m venv "$folder/venv" >&2 || cannot "python3 makes no virtual environment (Debian: python3-venv)"
    timeout 300 "$python" -m pip install --quiet playwright hdrhistogram jsonschema >&2 ||
        cannot "PyPI gave no playwright, hdrhistogram or jsonschema"
fi

found() {
    for name in chromium chromium-browser google-chrome; do command -v "$name" && return; done
    find "$folder/browsers" -type f \( -name chrome -o -name headless_shell -o -name chrome-headless-shell \) 2>/dev/null |
        grep -m1 .
}
if ! found >/dev/null; then
    # Only root can, and only where nobody minds: others get the browser into their folder.
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        { timeout 120 apt-get update -qq && timeout 400 apt-get install -y -qq --no-install-recommends chromium; } >&2 || true
    else
        PLAYWRIGHT_BROWSERS_PATH=$folder/browsers timeout 300 "$python" -m playwright install chromium >&2 || true
    fi
fi
browser=$(found) || cannot "there is no chromium, and none could be installed"
printf '%s\n%s\n' "$python" "$browser"
