#!/usr/bin/env bash
# Find or install the browser that `tools/check_pages.py` opens the pages with: Chromium
# without windows, from the system's package manager where that is permitted. Where it
# is not, or fails, the pages are built and how they look is not checked.
set -euo pipefail
. "$(dirname "$0")/as_root.sh"

for name in chromium chromium-headless-shell chromium-browser google-chrome chrome; do
    if command -v "${CHROMIUM:-$name}" > /dev/null; then
        exit 0
    fi
done
if ! may_install; then
    echo "skipped: no browser; install Chromium, or name one in the variable CHROMIUM"
    exit 0
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "pages: installing a browser with apt-get"
timeout 300 "${as_root[@]}" apt-get update -qq > "$log" 2>&1 || true
# The first is a third smaller; some systems have the second alone.
for name in chromium-headless-shell chromium; do
    if timeout 600 "${as_root[@]}" apt-get install -y -qq --no-install-recommends "$name" \
        >> "$log" 2>&1; then
        exit 0
    fi
done
tail -n 5 "$log"
echo "skipped: no browser, because apt-get could not install one (see above)"
