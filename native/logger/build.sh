#!/bin/sh
# Builds the logger that containerd starts beside each container: one static program.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-"$here/../../build"}
mkdir -p "$out"
# Written beside and renamed: a running logger's file can't be overwritten.
${CC:-gcc} -O2 -std=gnu11 -Wall -Wextra -static -s -o "$out/.tsswarm-logger.$$" "$here/logger.c"
mv -f "$out/.tsswarm-logger.$$" "$out/tsswarm-logger"
