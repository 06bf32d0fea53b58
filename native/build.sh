#!/bin/sh
# Builds every native part into build/.
set -eu
for script in "$(cd "$(dirname "$0")" && pwd)"/*/build.sh; do
  "$script"
done
