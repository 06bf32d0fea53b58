#!/usr/bin/env bash
# Sets everything up: system packages, npm packages, the native parts, dist/. Does only what is
# missing, so that a second run takes a few seconds.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '%s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

[ "$(uname -s)" = Linux ] || fail "tsswarm runs on Linux only"
major=$(node -p 'process.versions.node.split(".")[0]')
[ "$major" -ge 20 ] || fail "Node $major is too old: install Node 20 or newer"

# --- system packages: what the daemon runs with, and what the native parts are built with
needed=(containerd runc nftables iproute2 conntrack gcc libc6-dev util-linux procps busybox-static)
needed+=("$@")
missing=()
for package in "${needed[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  [ "$(id -u)" = 0 ] || fail "missing packages: ${missing[*]}; run as root, or install them first"
  say "installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  # The daemons that come with some packages are not to be started here.
  policy=/usr/sbin/policy-rc.d
  [ -e "$policy" ] || { printf '#!/bin/sh\nexit 101\n' >"$policy"; chmod +x "$policy"; trap 'rm -f "$policy"' EXIT; }
  apt-get install -y --no-install-recommends "${missing[@]}" >/tmp/tsswarm-apt.log 2>&1 ||
    { apt-get update >/tmp/tsswarm-apt.log 2>&1 && apt-get install -y --no-install-recommends "${missing[@]}" >>/tmp/tsswarm-apt.log 2>&1; } ||
    { tail -n 20 /tmp/tsswarm-apt.log >&2; fail "packages could not be installed"; }
fi

# --- npm packages: anew when the lock file changed. Not "npm ci": it insists on optional packages for
# other platforms, which some registries do not have.
if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  say "installing npm packages"
  npm install --no-save --no-audit --no-fund >/tmp/tsswarm-npm.log 2>&1 || { tail -n 20 /tmp/tsswarm-npm.log >&2; fail "npm install failed"; }
  touch node_modules/.package-lock.json
fi

# --- native parts and dist/: anew when a source is newer
newer() { [ ! -e "$1" ] || [ -n "$(find "${@:2}" -newer "$1" -type f -print -quit)" ]; }
if newer build/.done native stacks/programs; then
  say "building the native parts"
  bash native/build.sh
  mkdir -p build
  gcc -O2 -Wall -static -s -o build/demo stacks/programs/demo.c -lpthread
  touch build/.done
fi
if newer dist/.done src raft-ts/src proto scripts/build.mjs scripts/demo-image.ts package-lock.json; then
  say "building dist/"
  node scripts/build.mjs
  touch dist/.done
fi
if newer build/demo.tar build/demo dist/demo-image.js; then node dist/demo-image.js build/demo build/demo.tar; fi
