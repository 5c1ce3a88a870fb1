# shellcheck shell=bash
# LAPACK for the module LinearAlgebra: source it after common.sh. Apple platforms have Accelerate.

# has_lapack: whether the linker finds OpenBLAS.
has_lapack() {
  [ "$(uname -s)" = Linux ] || return 0
  local compiler
  for compiler in clang cc gcc; do
    if has "$compiler"; then
      echo 'int main(void) { return 0; }' |
        "$compiler" -x c - -lopenblas -o /dev/null >/dev/null 2>&1
      return
    fi
  done
  return 1
}

# require_lapack: stops with advice unless OpenBLAS is there.
require_lapack() {
  has_lapack || fail "OpenBLAS was not found, which LinearAlgebra is linked with; install it:" \
    "apt-get install libopenblas-dev (Debian, Ubuntu), dnf install openblas-devel (Fedora)"
}

# install_lapack: installs OpenBLAS where apt-get may do so, unless it is there.
install_lapack() {
  if has_lapack; then return; fi
  has apt-get || require_lapack
  local install=(env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq
    --no-install-recommends libopenblas-dev)
  "${install[@]}" >/dev/null 2>&1 ||
    { apt-get update -qq && "${install[@]}" >/dev/null; } || require_lapack
  require_lapack
}
