#!/bin/sh
# Puts the dynoxide binary (linux, x86-64) where the measurements look for it. Needs npm.
set -eu
cd "$(dirname "$0")/.."
npm install --prefix .cache/dynoxide --no-audit --no-fund --silent @dynoxide/linux-x64@1.2.1
binary=.cache/dynoxide/node_modules/@dynoxide/linux-x64/dynoxide
chmod +x "$binary"
"$binary" --version
