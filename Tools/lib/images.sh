# shellcheck shell=bash
# libpng and libjpeg for the module ImageFiles: source it after common.sh.

# has_image_libraries: whether a compiler finds the headers and the libraries.
has_image_libraries() {
  local compiler flags=()
  if has pkg-config; then
    read -ra flags <<<"$(pkg-config --cflags --libs libpng libjpeg 2>/dev/null || true)"
  fi
  for compiler in clang cc gcc; do
    if has "$compiler"; then
      printf '#include <stdio.h>\n#include <png.h>\n#include <jpeglib.h>\nint main(void){return 0;}\n' |
        "$compiler" -x c - "${flags[@]}" -lpng -ljpeg -o /dev/null >/dev/null 2>&1
      return
    fi
  done
  return 1
}

# require_image_libraries: stops with advice unless both libraries are there.
require_image_libraries() {
  has_image_libraries || fail "libpng and libjpeg were not found, which ImageFiles decodes with;" \
    "install them: apt-get install libpng-dev libjpeg-dev (Debian, Ubuntu)," \
    "dnf install libpng-devel libjpeg-turbo-devel (Fedora), brew install libpng jpeg-turbo (macOS)"
}

# install_image_libraries: installs both where apt-get may do so, unless they are there.
install_image_libraries() {
  if has_image_libraries; then return; fi
  has apt-get || require_image_libraries
  local install=(env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq
    --no-install-recommends libpng-dev libjpeg-dev)
  "${install[@]}" >/dev/null 2>&1 ||
    { apt-get update -qq && "${install[@]}" >/dev/null; } || require_image_libraries
  require_image_libraries
}
