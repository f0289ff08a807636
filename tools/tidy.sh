#!/usr/bin/env bash
# tidy.sh BUILD: clang-tidy-19 with the checks of .clang-tidy over src/, by the compile commands of that build folder.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
build=${1:?which build folder?}
mapfile -t sources < <(git ls-files -- 'src/*.cpp' | grep -v '_test\.cpp$' | while read -r file; do
  # A preset without a room has no command for its files.
  if grep -qF "$PWD/$file" "$build/compile_commands.json"; then echo "$file"; fi
done)
((${#sources[@]})) || { echo "no sources in $build/compile_commands.json" >&2; exit 1; }
printf '%s\0' "${sources[@]}" | xargs -0 -n 1 -P "${CHAVEIRO_JOBS:-$(nproc)}" clang-tidy-19 --quiet -p "$build" --warnings-as-errors='*' 2>/dev/null
