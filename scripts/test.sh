#!/usr/bin/env bash
# npm test: sets everything up, then checks and tests it all. Tests that need root run only as root.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash scripts/setup.sh docker-registry apache2-utils docker.io iptables ufw firewalld wireguard-tools wireguard-go tcpdump
step() { printf '\n== %s\n' "$1"; shift; "$@"; }
step 'types' npx tsc --noEmit -p tsconfig.json
step 'lint' npx oxlint --type-aware --deny-warnings
step 'format' npx prettier --check . --log-level warn
step 'unit, property and scenario tests' npx vitest run --project unit
if [ "$(id -u)" = 0 ]; then
  step 'integration tests (containerd, kernel)' npx vitest run --project integration
  step 'end-to-end tests (lab)' npx vitest run --project e2e
else
  printf '\nnot root: integration and end-to-end tests are left out\n'
fi
