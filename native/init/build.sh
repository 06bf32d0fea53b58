#!/bin/sh
# Builds the init of containers that ask for one: one static program, mounted into them.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-"$here/../../build"}
mkdir -p "$out"
# Written beside and renamed: containers run the file that is there.
${CC:-gcc} -O2 -std=gnu11 -Wall -Wextra -Werror -static -s -o "$out/.tsswarm-init.$$" "$here/init.c"
chmod 755 "$out/.tsswarm-init.$$"
mv -f "$out/.tsswarm-init.$$" "$out/tsswarm-init"
