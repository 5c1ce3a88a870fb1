# shellcheck shell=bash
# Shared by the scripts in Tools: source it, do not run it. Works with bash 3.2.

# The root of the checkout, wherever the script was called from.
# shellcheck disable=SC2034 # the scripts that source this file use it
root="$(CDPATH='' cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)"

# say TEXT...: one line of progress, on standard error, so that standard output stays clean.
say() { printf '%s\n' "$*" >&2; }

# fail TEXT...: one line that says what is wrong and what to do; then stop.
fail() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

# print_usage FILE: the comment at the top of a script, without the marks.
print_usage() { awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$1"; }

# require_swift: stops with advice unless a Swift that can read Package.swift is on the path.
require_swift() {
  has swift || fail "swift was not found; install Swift 6.3 from https://www.swift.org/install" \
    "and put it on your PATH"
  local text major minor
  text="$(swift --version 2>/dev/null | grep -Eo 'Swift version [0-9]+\.[0-9]+' | head -n 1)" ||
    fail "'swift --version' does not work; is the toolchain installed completely?"
  text="${text##* }"
  major="${text%%.*}"
  minor="${text#*.}"
  if [ "$major" -lt 6 ] || { [ "$major" -eq 6 ] && [ "$minor" -lt 2 ]; }; then
    fail "Swift $text is too old: Apus needs 6.2 or later, see https://www.swift.org/install"
  fi
}
