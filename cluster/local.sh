#!/usr/bin/env bash
# Trains the tiny G+R tokenizer on this machine: one coordinator, a few workers, then a picture of reconstructions.
#
#   cluster/local.sh                       draws a small synthetic dataset and trains on it for a few minutes
#   cluster/local.sh --data DIR            trains on DIR/train/<class>/*.JPEG, ImageNet's layout
#   cluster/local.sh --workers 4 --steps 300
#
# Options:
#   --data DIR      dataset (default: data/synthetic, drawn if absent)
#   --workers N     worker processes (default 2)
#   --steps N       training steps (default 120)
#   --run DIR       folder of the run (default: runs/local-<time>; an existing run is continued)
#   --config FILE   configuration (default configs/tokenizer-gr-tiny.yaml)
#
# Ctrl-C writes a checkpoint and ends all processes; the command to continue is printed.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

data= workers=2 steps=120 run= config="$project/configs/tokenizer-gr-tiny.yaml"
while [ $# -gt 0 ]; do
    case $1 in
        --data) data=${2:?--data needs a folder}; shift 2 ;;
        --workers) workers=${2:?--workers needs a number}; shift 2 ;;
        --steps) steps=${2:?--steps needs a number}; shift 2 ;;
        --run) run=${2:?--run needs a folder}; shift 2 ;;
        --config) config=${2:?--config needs a file}; shift 2 ;;
        -h | --help) sed -n '2,16p' "$0" | sed 's/^# \{0,1\}//'; exit 0 ;;
        *) fail "unknown option $1; see --help" 64 ;;
    esac
done
[[ $workers =~ ^[1-9][0-9]*$ ]] || fail "--workers is '$workers'; it must be 1 or more" 64
[[ $steps =~ ^[1-9][0-9]*$ ]] || fail "--steps is '$steps'; it must be 1 or more" 64

require_toolchain
require_packages "${libraries[@]}"
build

if [ -z "$data" ]; then
    data="$project/data/synthetic"
    [ -d "$data" ] || "$binaries/mvq" dataset synthesize --out "$data" --classes 10 --per-class 100 --size 64
fi
run=${run:-$project/runs/local-$(date +%Y%m%d-%H%M%S)}
threads=$(($(nproc) / workers))
[ "$threads" -ge 1 ] || threads=1

children=() coordinator= interrupted=
# end: stops whatever still runs, politely first.
end() {
    trap - EXIT INT TERM HUP
    local child
    for child in "${children[@]}"; do kill -TERM "$child" 2>/dev/null || true; done
    for child in "${children[@]}"; do
        for _ in $(seq 100); do kill -0 "$child" 2>/dev/null || break; sleep 0.1; done
        kill -KILL "$child" 2>/dev/null || true
    done
    wait 2>/dev/null || true
}
trap end EXIT
# Ctrl-C: the coordinator writes a checkpoint and tells the workers; everything else follows from its end.
trap 'interrupted=1; [ -z "$coordinator" ] && exit 130; kill -TERM "$coordinator" 2>/dev/null || true' INT TERM HUP

mkdir -p "$run"
rm -f "$run/endpoint"
say "coordinator: $steps steps of $(basename "$config") on $data; run folder $run"
"$binaries/mvq-coordinator" --config "$config" --data "$data" --run "$run" --listen 'tcp://127.0.0.1:*' --set training.steps="$steps" &
coordinator=$!
children+=("$coordinator")
until [ -s "$run/endpoint" ]; do
    kill -0 "$coordinator" 2>/dev/null || break
    sleep 0.1
done
if [ -s "$run/endpoint" ]; then
    for i in $(seq "$workers"); do
        "$binaries/mvq-worker" --connect "$(cat "$run/endpoint")" --threads "$threads" 2>"$run/worker-$i.log" &
        children+=($!)
    done
    say "$workers workers of $threads threads each; their logs: $run/worker-*.log"
fi
while :; do
    interrupted= code=0
    wait "$coordinator" || code=$?
    [ -n "$interrupted" ] || break
done
if [ "$code" = 75 ]; then say "stopped; to continue: cluster/local.sh --run $run --data $data --steps $steps --workers $workers"; fi
[ "$code" = 0 ] || exit "$code"

say "reconstructing validation images"
"$binaries/mvq" reconstruct --checkpoint "$run" --data "$data" --out "$run/reconstruction.png"
say "done. Look at $run/reconstruction.png; metrics are in $run/metrics.jsonl"
