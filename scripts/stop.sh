#!/usr/bin/env bash
# npm run stop: ends the lab that npm start left running, and leaves nothing of it behind.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [ -e dist/lab.js ]; then exec node dist/lab.js down --name lab; fi
