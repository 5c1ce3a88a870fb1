# shellcheck shell=bash
# shellcheck disable=SC2054,SC2154 # names with commas between are one argument; common.sh sets `root`
# Small runs of all commands that take long in earnest: source it after common.sh. Each is of some seconds,
# writes into the folder that it is started in, and reads what `make_inputs` has made.
#
# Needs python3, which cuts data sets and compares results.

# All commands, in the order in which they are tried.
# shellcheck disable=SC2034 # the scripts that source this file use it
small_runs=(
  rtn flexround gptq adadim-gptq compare
  pretrain pretrain-study peqa alphatuning lora
  sft rl consist ground-study
  federate federate-study novelty-train novelty
  lidar lidar-scans vision vision-study
)

programs="" inputs=""
export APUS_DATA="${APUS_DATA:-$root/../shared/data}"

# use_programs FOLDER: where the built programs lie; without one they are built, in release.
use_programs() {
  local name
  if [ -n "$1" ]; then
    programs="$(CDPATH='' cd "$1" && pwd -P)" || fail "no folder $1"
  else
    require_swift
    for name in quantize pretrain finetune ground federate novelty lidar vision; do
      say "building apus-$name"
      swift build --package-path "$root" --configuration release --product "apus-$name" >&2
    done
    programs="$(swift build --package-path "$root" --configuration release --show-bin-path)"
  fi
  has python3 || fail "python3 is missing; it compares the results"
}

# make_inputs FOLDER: texts, a tokenizer, models, small images; those that are there already stay.
make_inputs() {
  mkdir -p "$1"
  inputs="$(CDPATH='' cd "$1" && pwd -P)"
  local pretrain="$programs/apus-pretrain" ground="$programs/apus-ground"
  (
    cd "$inputs"
    head -c 30000 "$root/Docs/data/pride-and-prejudice.txt" >book.txt
    [ -d model ] || {
      "$pretrain" tokenizer book.txt --vocabulary 320 --output bpe --threads 1 --quiet
      "$pretrain" tokenize book.txt --tokenizer bpe --output book.tokens --quiet
      "$pretrain" train book.tokens --tokenizer bpe --output base --width 32 --blocks 2 --heads 2 \
        --feed-forward 64 --length 32 --steps 60 --threads 1 --quiet
      cp -R base/model model
    }
    [ -f policy.safetensors ] || {
      "$ground" sft --width 32 --blocks 1 --view 32x32 --pages 200 --steps 150 --batch 16 \
        --test-items 0 --threads 1 --output policy --quiet
      cp policy/policy.safetensors policy.safetensors
    }
    cut_images mnist
    cut_images fashion-mnist
    if [ -d fashion-mnist ] && [ ! -d net ]; then
      "$programs/apus-vision" train --architecture resnet --data fashion-mnist --epochs 1 \
        --batch 32 --threads 1 --output net --quiet
    fi
  ) >"$1/make.log" 2>&1 || fail "the inputs could not be made; see $1/make.log"
}

# cut_images NAME: the first images of a data set, every other pixel; nothing where it is missing.
cut_images() {
  local source="$APUS_DATA/images/$1"
  if [ -d "$1" ] || [ ! -d "$source" ]; then return; fi
  python3 - "$source" "$1" <<'PYTHON'
import gzip, os, struct, sys

source, target = sys.argv[1:]
os.makedirs(target + ".new")

def read(name):
    path = f"{source}/{name}"
    return gzip.open(path + ".gz").read() if os.path.exists(path + ".gz") else open(path, "rb").read()

for part, count in (("train", 320), ("t10k", 100)):
    data = read(f"{part}-images-idx3-ubyte")
    rows = (16 + image * 784 + row * 28 for image in range(count) for row in range(0, 28, 2))
    with open(f"{target}.new/{part}-images-idx3-ubyte", "wb") as file:
        file.write(data[:4] + struct.pack(">III", count, 14, 14))
        file.write(b"".join(data[row:row + 28:2] for row in rows))
    data = read(f"{part}-labels-idx1-ubyte")
    with open(f"{target}.new/{part}-labels-idx1-ubyte", "wb") as file:
        file.write(data[:4] + struct.pack(">I", count) + data[8:8 + count])
os.rename(target + ".new", target)
PYTHON
}

# small_run NAME: sets `command` to the arguments of a run, and `lack` to the data that it misses ("").
small_run() {
  command=() lack=""
  local model="$inputs/model" text="$inputs/book.txt" policy="$inputs/policy.safetensors"
  local mnist="$inputs/mnist" fashion="$inputs/fashion-mnist"
  local shape=(--width 32 --blocks 2 --heads 2 --feed-forward 64 --length 32)
  local tuning=(--text "$text" --validation-share 0.1 --length 32 --steps 40
    --checkpoint-interval 10 --evaluation-interval 20)
  local stage=(--checkpoint-interval 5 --test-items 16 --test-samples 2 --evaluation-interval 10)
  local learned=(--scheme W3G32 --calibration "$text" --sample-length 32)
  case "$1" in
    rtn)
      command=(apus-quantize run "$model" --output out --force --scheme W3G32 --evaluate "$text"
        --characters 20000 --window 32 --report out.json)
      ;;
    flexround)
      command=(apus-quantize run "$model" --output out --method flexround "${learned[@]}"
        --samples 16 --steps 100 --report out.json)
      ;;
    gptq)
      command=(apus-quantize run "$model" --output out --method gptq "${learned[@]}" --samples 32
        --evaluate "$text" --characters 6000 --window 32 --report out.html)
      ;;
    adadim-gptq)
      command=(apus-quantize run "$model" --output out --method adadim-gptq "${learned[@]}"
        --samples 48)
      ;;
    compare)
      command=(apus-quantize compare "$model" --output out --methods rtn,gptq,flexround
        --schemes W3G32 --seeds 2 --calibration "$text" --samples 8 --sample-length 32 --steps 20
        --evaluate "$text" --characters 2000 --window 32)
      ;;
    pretrain)
      command=(apus-pretrain train "$inputs/book.tokens" --tokenizer "$inputs/bpe" --output out
        "${shape[@]}" --steps 60 --checkpoint-interval 10 --evaluation-interval 10
        --probe-interval 20)
      ;;
    pretrain-study)
      command=(apus-pretrain study "$inputs/book.tokens" --output out --variants pre peri+E
        --learning-rates 3e-3 --seeds 0 1 "${shape[@]}" --steps 30 --checkpoint-interval 10)
      ;;
    peqa)
      command=(apus-finetune train "$model" --method peqa --scheme W3G32 "${tuning[@]}" --output out)
      ;;
    alphatuning)
      command=(apus-finetune train "$model" --method alphatuning "${tuning[@]}" --output out)
      ;;
    lora)
      command=(apus-finetune train "$model" --method lora --targets query,value "${tuning[@]}"
        --output out)
      ;;
    sft)
      command=(apus-ground sft --width 32 --blocks 1 --view 32x32 --pages 64 --steps 30 --batch 8
        "${stage[@]}" --output out)
      ;;
    rl)
      command=(apus-ground rl --from "$policy" --pages 64 --steps 30 --prompts 4 --group 4
        "${stage[@]}" --output out)
      ;;
    consist)
      command=(apus-ground consist --from "$policy" --pages 64 --steps 10 --prompts 4
        "${stage[@]}" --output out)
      ;;
    ground-study)
      command=(apus-ground study --seeds 1 --rows warm rl --warm-steps 30 --reward-steps 4
        --test-pages 4 --view 32x32 --output out)
      ;;
    federate)
      command=(apus-federate simulate "$mnist" --clients 10 --rounds 12 --strategy slice --alpha 0.5
        --server adam --drop-out 0.1 --checkpoints checkpoints --output out.json)
      need_folder "$mnist" MNIST
      ;;
    federate-study)
      command=(apus-federate simulate "$mnist" --preset reference --rows quarter slices bits-4
        --seeds 1 --output out)
      need_folder "$mnist" MNIST
      ;;
    novelty-train)
      command=(apus-novelty train "$mnist" --novel 1 --epochs 6 --output out.safetensors)
      need_folder "$mnist" MNIST
      ;;
    novelty)
      command=(apus-novelty eval "$mnist" --methods oaae knn --classes 1 9 --epochs 2
        --output out)
      need_folder "$mnist" MNIST
      ;;
    lidar)
      command=(apus-lidar train --simulated 4 --sensor vlp16 --size tiny --steps 9
        --checkpoint-interval 3 --crop-radius 20 --point-limit 4000 --evaluation-sensors vlp16
        --evaluation-scenes 1 --evaluation-interval 3 --output out)
      ;;
    lidar-scans) command=(apus-lidar simulate --sensors vlp16,vlp32c --scenes 8 --output out) ;;
    vision)
      command=(apus-vision train --architecture resnet --data "$fashion" --epochs 3 --batch 32
        --output out)
      need_folder "$fashion" Fashion-MNIST
      ;;
    vision-study)
      command=(apus-vision study "$inputs/net" --data "$fashion" --samples 16 --steps 4 --batch 4
        --bits 4 3 --seeds 0 --methods rtn adaround flexround --output out)
      need_folder "$fashion" Fashion-MNIST
      ;;
    *) fail "unknown command '$1'; there are ${small_runs[*]}" ;;
  esac
  command[0]="$programs/${command[0]}"
  command+=(--threads 1 --quiet)
}

need_folder() { [ -d "$1" ] || lack="$2 under APUS_DATA ($APUS_DATA)"; }

# compare_runs EXPECTED FOUND: prints what differs; status 1 where something does.
compare_runs() { python3 "$root/Tools/lib/compare_runs.py" "$1" "$2"; }

# leftovers FOLDER: how many unfinished files and folders killed processes left there.
leftovers() { python3 "$root/Tools/lib/compare_runs.py" --leftovers "$1"; }
