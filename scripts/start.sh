#!/usr/bin/env bash
# npm start: sets everything up and shows a real cluster at work on this machine.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ "$(id -u)" = 0 ] || { echo "npm start makes namespaces and network links: run it as root" >&2; exit 1; }
bash scripts/setup.sh
exec node dist/demo.js "$@"
