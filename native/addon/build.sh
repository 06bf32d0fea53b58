#!/usr/bin/env bash
# Builds build/tsswarm.node with a C compiler and the headers of the npm package node-api-headers.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
mkdir -p "$root/build"
target="$root/build/tsswarm.node"
# Written beside and renamed: a running process keeps the file that it has mapped.
"${CC:-gcc}" -std=gnu11 -O2 -g -Wall -Wextra -Werror -fPIC -shared -fvisibility=hidden \
  -DNAPI_VERSION=8 -I"$root/node_modules/node-api-headers/include" \
  -o "$target.$$" "$root"/native/addon/*.c -ldl -lpthread
mv "$target.$$" "$target"
