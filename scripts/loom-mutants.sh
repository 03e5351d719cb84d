#!/usr/bin/env bash
# Runs the models of the ring (protocol/tests/models), then shows that every ordering of the ring is needed: each fence and
# each ordering stronger than relaxed is weakened in turn, and some model must fail. Three things are errors: a model that
# fails as it stands, an ordering that no model passes, an ordering whose loss no model notices.
#
# JOBS (default 2): how many models run at once. Takes about a minute.
set -euo pipefail
cd "$(dirname "$0")/.."

jobs=${JOBS:-2}
limit_s=300 # for one run of one model; the longest takes some ten seconds where nothing else runs
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export work limit_s

echo "building the models"
export RUSTFLAGS="--cfg loom"
# A folder of its own: the flag would otherwise rebuild everything, twice per gate.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/loom"
cargo test --quiet --release --package framebroker-protocol --test models --no-run
models=$(cargo test --quiet --release --package framebroker-protocol --test models --no-run --message-format=json |
  sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -n 1)
export models

# Each model as it stands: it passes, it leaves the list of the sites it passes and the time it takes.
run_model() {
  local model=$1 begin_ns=$(date +%s%N)
  RING_SITES="$work/$model.sites" timeout "$limit_s" "$models" --exact "$model" >"$work/$model.out" 2>&1 || {
    echo "model $model fails:"
    cat "$work/$model.out"
    return 1
  }
  echo "$((($(date +%s%N) - begin_ns) / 1000000)) $model" >"$work/$model.ms"
}

# Breaks one site. The models that pass it are tried fastest first, until one of them fails.
break_site() {
  local site=$1 model ran=0
  local log="$work/${site//\//_}.log"
  while read -r _ model; do
    grep -qxF "$site" "$work/$model.sites" || continue
    local rc=0
    RING_MUTANT="$site" timeout "$limit_s" "$models" --exact "$model" >"$log" 2>&1 || rc=$?
    case $rc in
      0) ran=$((ran + 1)) ;;
      124) echo "UNDECIDED $site: $model does not end within $limit_s s" && return 1 ;;
      *)
        # A model that only grew too large for loom shows nothing.
        if ! grep -q "panicked at" "$log" || grep -q "exceeded maximum number of" "$log"; then
          echo "UNDECIDED $site: $model ends for another reason than the ring:"
          cat "$log"
          return 1
        fi
        echo "caught    $site by $model"
        return 0
        ;;
    esac
  done <"$work/by_time"
  echo "SURVIVED  $site: $ran models pass it, and none needs it"
  return 1
}
export -f run_model break_site

echo "running the models"
"$models" --list | sed -n 's/: test$//p' >"$work/models"
xargs -a "$work/models" -P "$jobs" -I{} bash -c 'run_model "$1"' _ {}
cat "$work"/*.ms | sort -n >"$work/by_time"
cat "$work"/*.sites | sort -u >"$work/passed"

# The sites in the sources. Two on one line would share their name.
(cd protocol && grep -nE 'Ordering::(Acquire|Release|AcqRel|SeqCst)|load_acquire(_u32)?\(' \
  $(find src/layout.rs src/layout src/ring src/sync/mailbox.rs -name '*.rs' ! -path '*tests*') |
  grep -vE '^[^:]+:[0-9]+: *(//|use )') >"$work/lines"
if grep -E '(Acquire|Release|AcqRel|SeqCst|load_acquire).*(Ordering::(Acquire|Release|AcqRel|SeqCst)|load_acquire)' "$work/lines"; then
  echo "two orderings on one line cannot be told apart: write them on two"
  exit 1
fi
cut -d: -f1,2 "$work/lines" | sort -u >"$work/written"
if ! diff "$work/written" "$work/passed" >"$work/diff"; then
  echo "the orderings written (<) are not those that models pass (>):"
  cat "$work/diff"
  exit 1
fi

echo "breaking $(wc -l <"$work/written") orderings, one at a time"
if ! xargs -a "$work/written" -P "$jobs" -I{} bash -c 'break_site "$1"' _ {} | tee "$work/result"; then
  echo "$(grep -vc '^caught' "$work/result") of $(wc -l <"$work/written") orderings are not shown to be needed"
  exit 1
fi
echo "each of $(wc -l <"$work/written") orderings is needed; $(wc -l <"$work/models") models"
