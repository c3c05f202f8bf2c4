#!/usr/bin/env bash
# measure.sh [STEP...]: on the GPU machine, after unpack.sh. Runs the steps (all, most important first), each with a limit of its own, and
# writes after every step into $OUT: steps.txt (what ran, and the end of what it printed), results.jsonl, tf-log.txt, smi.csv,
# train-metrics.jsonl, samples.png, loss.png. What is missing there did not run. Exits with 1 if a dry run's step failed.
#   HZ=/tmp/hz  OUT=$HZ/out  HZ_BUDGET=390 (seconds for all steps)  HZ_DRY=1 (no GPU: tiny sizes, the same command lines)
#   HZ_APP=$HZ/app  HZ_NODE=$HZ/bin/node: a built checkout and any Node do, with the CPU build of libtensorflow and without unpack.sh
#   HZ_PYTHON=python3 (with torch)  HZ_TRAIN_STEPS=300  HZ_COUNT=256 (images of generate)
#   HZ_FIXTURES='unet_l2_8 unet2d/odd_8' (of the comparisons with PyTorch; default all)
set -u
HZ=${HZ:-/tmp/hz}
OUT=${OUT:-$HZ/out}
DRY=${HZ_DRY:-}
PY=${HZ_PYTHON:-python3}
BUDGET=${HZ_BUDGET:-390}
W=$HZ/work
KIT=$(cd "$(dirname "$0")" && pwd)
APP=${HZ_APP:-$HZ/app}
NODE=${HZ_NODE:-$HZ/bin/node}
case $BUDGET in '' | *[!0-9]*) echo "measure.sh: HZ_BUDGET: expected whole seconds, got $BUDGET" >&2; exit 2 ;; esac
failed= skipped=
begun=$SECONDS
mkdir -p "$OUT" "$W"
touch "$OUT/results.jsonl"
known=$(wc -l <"$OUT/results.jsonl")
[ -n "${HZ_APP:-}" ] || export HAZE_CACHE=$HZ/cache
export CUDA_CACHE_PATH=$HZ/nv CUDA_CACHE_MAXSIZE=2147483648 PYTHONUNBUFFERED=1 UV_THREADPOOL_SIZE=8 HZ
unset NVIDIA_TF32_OVERRIDE HAZE_TENSORFLOW_LAYOUT TF_DETERMINISTIC_OPS TF_XLA_FLAGS XLA_FLAGS
# A folder with another cuDNN would come before the CUDA build's own.
if [ -n "${LD_LIBRARY_PATH:-}" ]; then
  kept=
  IFS=: read -ra folders <<<"$LD_LIBRARY_PATH"
  for folder in "${folders[@]}"; do
    [ -e "$folder/libcuda.so.1" ] || { [ ! -e "$folder/libcudnn.so.9" ] && [ ! -e "$folder/libcublas.so.12" ]; } || continue
    kept=${kept:+$kept:}$folder
  done
  export LD_LIBRARY_PATH=$kept
fi
if [ -n "$DRY" ]; then
  export OMP_NUM_THREADS=1 TORCHDYNAMO_DISABLE=1 # compiling for the CPU takes minutes
  # factor: no limit is meant to end a step, however busy the machine is
  size=8 widths=4,8,16 batches='2 4' big=4 train_batch=4 train_steps=${HZ_TRAIN_STEPS:-3} repeat_steps=3 timesteps=5 grid=4 count=${HZ_COUNT:-6} rounds=1 repeats=2 threads='2' scale_batch=2 factor=60 compiled=unet_rgb_16
else
  size=64 widths=64,128,256,512,1024 batches='8 128' big=128 train_batch=128 train_steps=${HZ_TRAIN_STEPS:-300} repeat_steps=20 timesteps=300 grid=64 count=${HZ_COUNT:-256} rounds=7 repeats=15 threads='16 8 4 2' scale_batch=8 factor=1 compiled='unet_rgb_16 unet2d/ddpm_cifar_like_16'
fi
model="--size $size --widths $widths"
if [ -n "$DRY" ]; then
  unet2d_batch=2 dit_batch=2 picture=16 pictures=2
  unet2d=(--network unet2d --size 8 --widths 8,16 --layers-per-block 1 --batch 2)
  cifar10=("${unet2d[@]}")
  recipe=(--preset minutes-32 --batch 2)
  dit=(--network dit --size 8 --widths 16 --depth 1 --patch 2 --batch 2)
else
  unet2d_batch=128 dit_batch=64 picture=256 pictures=16
  unet2d=(--preset unet2d-32 --batch 128)
  cifar10=(--network-config "$APP/test/fixtures/ddpm-cifar10-32.json" --batch 128)
  recipe=(--preset pictures-32)
  # DiT-S with patches of 4
  dit=(--network dit --size 64 --widths 384 --depth 12 --patch 4 --batch 64)
fi
cli=("$NODE" "$APP/dist/src/cli.js")
# All that `haze parity` reads, or those named.
fixtures=("$APP"/test/fixtures/{unet_*,samplers,schedule_*}.safetensors "$APP"/test/fixtures/{unet2d,dit}/*.safetensors)
if [ -n "${HZ_FIXTURES:-}" ]; then
  fixtures=()
  for f in $HZ_FIXTURES; do fixtures+=("$APP/test/fixtures/$f.safetensors"); done
fi

say() { echo "$*" | tee -a "$OUT/steps.txt"; }
left() { echo $((BUDGET - (SECONDS - begun))); }

# run NAME LIMIT COMMAND...: standard output to $W/NAME.out, errors to $W/NAME.err, both ends to steps.txt, JSON to results.jsonl.
# Returns SKIPPED if there is no time left.
SKIPPED=99
run() {
  local name=$1 limit=$(($2 * factor)) rc t0 rest
  shift 2
  rest=$(left)
  : >"$W/$name.out"; : >"$W/$name.err"
  if [ "$rest" -lt 5 ]; then say "## $name: SKIPPED, out of time"; skipped="$skipped $name"; return $SKIPPED; fi
  [ "$limit" -gt "$rest" ] && limit=$rest
  t0=$(date +%s.%N)
  ( exec timeout -k 5 "$limit" "$@" ) >"$W/$name.out" 2>"$W/$name.err" </dev/null
  rc=$?
  finish "$name" "$rc" "$(echo "$(date +%s.%N) $t0" | awk '{printf "%.1f", $1 - $2}')" "$*"
  return $rc
}

finish() { # NAME RC SECONDS COMMAND
  {
    echo "## $1: rc $2, $3 s"
    echo "\$ ${4:0:400}"
    tail -c 3500 "$W/$1.out"
    if [ -s "$W/$1.err" ]; then echo '--- stderr'; head -c 1200 "$W/$1.err"; echo; [ "$(wc -c <"$W/$1.err")" -le 1200 ] || { echo '…'; tail -c 1500 "$W/$1.err"; }; fi
    echo
  } >>"$OUT/steps.txt"
  "$PY" - "$1" "$2" "$3" "$W/$1.out" >>"$OUT/results.jsonl" <<'P'
import json, sys
name, rc, seconds, file = sys.argv[1:]
text = open(file, errors='replace').read()
rows = []
try:
    rows = [json.loads(text)]
except ValueError:
    for line in text.splitlines():
        if line.startswith('{'):
            try:
                rows.append(json.loads(line))
            except ValueError:
                pass
for row in rows or [None]:
    print(json.dumps({'step': name, 'rc': int(rc), 'seconds': float(seconds), 'data': row}))
P
  echo "$1: rc $2, $3 s"
  [ "$2" = 0 ] || failed="$failed $1"
}

# Once the doctor has found no GPU, steps that need it are skipped (not in a dry run).
gpu() { [ ! -e "$W/no-gpu" ] || [ -n "$DRY" ] || { say "## $1: SKIPPED, no GPU"; return 1; }; }

tensorflow=(env TF_CPP_MIN_LOG_LEVEL=0 "${cli[@]}")
no_tf32=(env NVIDIA_TF32_OVERRIDE=0 TF_CPP_MIN_LOG_LEVEL=0 "${cli[@]}")
quiet_no_tf32=(env NVIDIA_TF32_OVERRIDE=0 TF_CPP_MIN_LOG_LEVEL=1 "${cli[@]}")
quiet=(env TF_CPP_MIN_LOG_LEVEL=1 "${cli[@]}")

step_machine() {
  run machine 20 bash -c 'nvidia-smi; nvidia-smi --query-gpu=name,driver_version,clocks.max.sm,clocks.sm,power.limit,memory.total,temperature.gpu --format=csv; lscpu | head -20; free -m | head -2; ldd --version | head -1; echo "LD_LIBRARY_PATH=${LD_LIBRARY_PATH:-}"; cat /proc/driver/nvidia/version; "$0" --version; cat "$1"' "$NODE" "$HZ/layout.txt"
}
step_libraries() { run libraries 40 "$PY" "$KIT/check_libraries.py"; }
step_doctor() {
  rm -f "$W/no-gpu"
  run doctor 90 "${cli[@]}" doctor --require cuda --verbose
  [ $? != 3 ] || touch "$W/no-gpu"
}
step_devices() {
  install=$("$NODE" --input-type=module -e "const { findInstall } = await import('$APP/dist/src/tensorflow/locate.js'); console.log(JSON.stringify(findInstall()))")
  run devices 60 env TF_CPP_MIN_LOG_LEVEL=0 TF_CPP_VMODULE=dso_loader=1,cuda_dnn=1 "$NODE" "$APP/dist/src/tensorflow/probe-child.js" "$install"
  { echo '# devices'; head -c 200000 "$W/devices.err"; } >>"$OUT/tf-log.txt"
}

# The fixtures, at one time: only their numbers count here.
parity() { # NAME COMMAND...
  local name=$1 fixture t0=$SECONDS
  shift
  gpu "$name" || return
  [ "$(left)" -ge 10 ] || { say "## $name: SKIPPED, out of time"; return; }
  local pids=() names=()
  for fixture in "${fixtures[@]}"; do
    f=$(basename "$fixture" .safetensors)
    # What a file's name says of its loss; the others have theirs, or none.
    loss=()
    case $f in *_l2_*) loss=(--loss l2) ;; *_huber_*) loss=(--loss huber) ;; esac
    ( exec timeout -k 5 $((80 * factor)) "$@" parity "$fixture" "${loss[@]}" --device tensorflow --json ) >"$W/$name-$f.out" 2>"$W/$name-$f.err" </dev/null &
    pids+=($!) names+=("$f")
  done
  for i in "${!pids[@]}"; do
    wait "${pids[$i]}"
    finish "$name-${names[$i]}" $? $((SECONDS - t0)).0 "parity ${names[$i]}"
  done
  for f in "${names[@]}"; do { echo "# $name-$f"; head -c 6000 "$W/$name-$f.err"; } >>"$OUT/tf-log.txt"; done
}
step_parity() {
  parity parity-f32 "${quiet_no_tf32[@]}"
  if ! grep -q '^  "holds": true' "$W"/parity-f32-unet_*.out 2>/dev/null && gpu parity-eager; then
    # Not one holds: is it the graph, or the operations?
    run parity-eager 60 "${no_tf32[@]}" parity "$APP/test/fixtures/unet_l2_8.safetensors" --loss l2 --device tensorflow --eager --json
    { echo '# parity-eager'; head -c 30000 "$W/parity-eager.err"; } >>"$OUT/tf-log.txt"
  fi
}
step_parity_tf32() { parity parity-tf32 "${quiet[@]}"; }

step_bench() { # train and forward, by the program's default (TF32 where the GPU has it)
  gpu bench || return
  for batch in $(echo $batches | tr ' ' '\n' | tac); do
    run "bench-$batch" 70 "${tensorflow[@]}" bench unet --device tensorflow $model --batch "$batch" --rounds $rounds --json
    { echo "# bench-$batch"; head -c 30000 "$W/bench-$batch.err"; } >>"$OUT/tf-log.txt"
  done
}
step_bench_unet2d() { # diffusers' network, of a preset, of google/ddpm-cifar10-32 and of a recipe with its optimizer
  gpu bench_unet2d || return
  run bench-unet2d 70 "${tensorflow[@]}" bench unet --device tensorflow "${unet2d[@]}" --rounds $rounds --json
  run bench-cifar10 70 "${tensorflow[@]}" bench unet --device tensorflow "${cifar10[@]}" --rounds $rounds --json
  run bench-recipe 40 "${tensorflow[@]}" bench unet --device tensorflow "${recipe[@]}" --rounds $rounds --json
}
step_bench_dit() { # diffusers' transformer
  gpu bench_dit && run bench-dit 70 "${tensorflow[@]}" bench unet --device tensorflow "${dit[@]}" --rounds $rounds --json
}
step_layouts() { # each network in the layout that the program does not choose for it
  gpu layouts || return
  run "layout-nhwc-$big" 70 env HAZE_TENSORFLOW_LAYOUT=nhwc TF_CPP_MIN_LOG_LEVEL=0 "${cli[@]}" bench unet --device tensorflow $model --batch $big --rounds $rounds --json
  run layout-auto-unet2d 70 env HAZE_TENSORFLOW_LAYOUT=auto TF_CPP_MIN_LOG_LEVEL=0 "${cli[@]}" bench unet --device tensorflow "${unet2d[@]}" --rounds $rounds --json
}
step_bench_f32() { gpu bench_f32 && run "bench-f32-$big" 70 "${no_tf32[@]}" bench unet --device tensorflow $model --batch $big --rounds $rounds --json; }
torch=("$PY" "$KIT/torch_bench.py" "$APP/test/fixtures")
step_torch() { run torch 75 "${torch[@]}" $size:$widths "$(echo $batches | tr ' ' ',')" eager,channels_last 1,0 $repeats 60; }
config_json() { # NAME FLAGS...: writes $W/NAME.json
  local name=$1
  shift
  run "$name-config" 20 "$NODE" "$KIT/config.mjs" "$APP" "$@" && cp "$W/$name-config.out" "$W/$name.json"
}
step_torch_unet2d() {
  config_json unet2d "${unet2d[@]}" || return
  run torch-unet2d 60 "${torch[@]}" "$W/unet2d.json" $unet2d_batch eager,channels_last 1 $repeats 40
  [ -n "$DRY" ] || run torch-cifar10 60 "${torch[@]}" "$APP/test/fixtures/ddpm-cifar10-32.json" $unet2d_batch eager,channels_last 1 $repeats 40
}
step_torch_dit() { config_json dit "${dit[@]}" && run torch-dit 60 "${torch[@]}" "$W/dit.json" $dit_batch eager 1,0 $repeats 40; }
step_torch_compile() {
  run torch-compile 120 "${torch[@]}" $size:$widths $big compile_channels_last,compile 1 $repeats 45
  config_json dit "${dit[@]}" && run torch-compile-dit 90 "${torch[@]}" "$W/dit.json" $dit_batch compile 1 $repeats
}
step_latents() { # an autoencoder's pictures, and the same ones in PyTorch
  gpu latents || return
  rm -rf "$W/taesd"
  run latents 60 env TF_CPP_MIN_LOG_LEVEL=0 "$NODE" "$KIT/autoencoder.mjs" "$APP" "$W/taesd" $picture $pictures $repeats &&
    run torch-latents 40 "$PY" "$KIT/torch_autoencoder.py" "$W/taesd" eager,channels_last 1,0 $repeats
}

step_train() {
  gpu train || return
  local sampler=
  rm -rf "$W/run" "$OUT/train-metrics.jsonl" "$OUT/loss.png" "$OUT/smi.csv"
  if command -v nvidia-smi >/dev/null; then
    nvidia-smi --query-gpu=timestamp,utilization.gpu,utilization.memory,memory.used,power.draw,clocks.sm --format=csv,nounits -lms 250 >"$OUT/smi.csv" 2>&1 &
    sampler=$!
  fi
  run train 130 "${tensorflow[@]}" train toy-cars --device tensorflow $model --batch $train_batch --steps $train_steps --save-every 0 --sample-every 0 --out "$W/run"
  local rc=$?
  [ -z "$sampler" ] || kill "$sampler" 2>/dev/null
  [ $rc != $SKIPPED ] || return
  cp "$W/run/metrics.jsonl" "$OUT/train-metrics.jsonl" 2>/dev/null
  cp "$W/run/loss.png" "$OUT/loss.png" 2>/dev/null
  { echo '# train'; head -c 30000 "$W/train.err"; } >>"$OUT/tf-log.txt"
  "$PY" - "$OUT/train-metrics.jsonl" "$OUT/smi.csv" "$W" <<'P' >"$W/train-summary.out" 2>"$W/train-summary.err"
import json, statistics as st, sys
rows = [json.loads(line) for line in open(sys.argv[1]) if '"loss"' in line]
steps = [r for r in rows if 'imagesPerSecond' in r]
half = steps[len(steps) // 2:] or steps
out = {'steps': len(steps), 'images_per_second_median_second_half': st.median(r['imagesPerSecond'] for r in half),
       'loss_first': steps[0]['loss'], 'loss_last_20': st.mean(r['loss'] for r in steps[-20:]),
       'ms': {k: round(st.median(r['ms'].get(k, 0) for r in half), 2) for k in half[-1]['ms']}, 'first_step_ms': steps[0]['ms']}
try:
    smi = [line.split(', ') for line in open(sys.argv[2]).read().splitlines()[1:] if line.count(',') == 5]
    busy = [s for s in smi if float(s[1]) > 0]
    out['smi'] = {'samples': len(smi), 'busy': len(busy), 'utilisation_median_when_busy': st.median(float(s[1]) for s in busy),
                  'memory_MiB_max': max(float(s[3]) for s in smi), 'power_W_max': max(float(s[4]) for s in smi)}
except Exception as error:
    out['smi'] = str(error)
print(json.dumps(out))
P
  finish train-summary $? 0.0 'from metrics.jsonl and smi.csv'
  return $rc
}
step_sample() {
  gpu sample || return
  rm -f "$W/samples.png"
  run sample 60 "${tensorflow[@]}" sample "$W/run" --count $grid --device tensorflow --out "$W/samples.png"
  cp "$W/samples.png" "$OUT/" 2>/dev/null
}
step_generate() {
  gpu generate || return
  rm -rf "$W/made"
  run generate 70 "${tensorflow[@]}" generate "$W/run" --count $count --device tensorflow --format npz --out "$W/made"
  run generate-ddim 40 "${tensorflow[@]}" generate "$W/run" --count $count --device tensorflow --sampler ddim --sample-steps 50 --format npz --out "$W/made-ddim"
}

# Do two runs of the same seed have the same losses?
repeated() { # NAME [VARIABLE=VALUE...]
  local name=$1 i
  shift
  for i in 1 2; do
    rm -rf "$W/$name-$i"
    run "$name-$i" 40 env TF_CPP_MIN_LOG_LEVEL=0 "$@" "${cli[@]}" train toy-cars --device tensorflow $model --batch $train_batch --steps $repeat_steps --save-every 0 --sample-every 0 --out "$W/$name-$i" || return
  done
  "$PY" - "$W/$name"-{1,2}/metrics.jsonl <<'P' >"$W/$name.out" 2>"$W/$name.err"
import json, sys
a, b = ([json.loads(line)['loss'] for line in open(path) if '"imagesPerSecond"' in line] for path in sys.argv[1:])
same = [x == y for x, y in zip(a, b)]
out = {'steps': len(a), 'same_losses': all(same) and len(a) == len(b), 'first_other_step': None if all(same) else same.index(False) + 1,
       'largest_difference': max(abs(x - y) for x, y in zip(a, b))}
print(json.dumps(out))
P
  finish "$name" $? 0.0 "losses of $name-1 and $name-2"
}
step_repeat() { gpu repeat && repeated repeat; }
step_deterministic() { # with the deterministic kernels of TensorFlow and cuDNN only: the same losses, and what they cost
  gpu deterministic || return
  local only=TF_DETERMINISTIC_OPS=1
  repeated deterministic-repeat $only
  run "deterministic-$big" 60 env $only TF_CPP_MIN_LOG_LEVEL=0 "${cli[@]}" bench unet --device tensorflow $model --batch $big --rounds $rounds --json
  run deterministic-unet2d 60 env $only TF_CPP_MIN_LOG_LEVEL=0 "${cli[@]}" bench unet --device tensorflow "${unet2d[@]}" --rounds $rounds --json
}

# TensorFlow's graphs as XLA compiles them, which fuses what lies between convolutions; not what the program does by default.
compiled() { # NAME FLAGS COMMAND...
  local name=$1 flags="--tf_xla_auto_jit=2 $2"
  shift 2
  [ -z "$DRY" ] || flags="$flags --tf_xla_cpu_global_jit"
  run "$name" 110 env TF_XLA_FLAGS="$flags" XLA_FLAGS="--xla_gpu_cuda_data_dir=$HZ/xla --xla_gpu_unsafe_fallback_to_driver_on_ptxas_not_found=true" TF_CPP_MIN_LOG_LEVEL=0 "$@"
  { echo "# $name"; head -c 15000 "$W/$name.err"; } >>"$OUT/tf-log.txt"
}
both_compiled() { # NAME FLAGS: the benchmarks of both networks
  compiled "$1-unet2d" "$2" "${cli[@]}" bench unet --device tensorflow "${unet2d[@]}" --rounds $rounds --json
  compiled "$1-$big" "$2" "${cli[@]}" bench unet --device tensorflow $model --batch $big --rounds $rounds --json
}
# Convolutions and matrix products stay TensorFlow's.
step_xla_fusible() { gpu xla_fusible && both_compiled xla-fusible --tf_xla_ops_to_cluster=FUSIBLE; }
step_xla() {
  gpu xla || return
  both_compiled xla ''
  local fixture
  for fixture in $compiled; do
    compiled "xla-$(basename $fixture)" '' env NVIDIA_TF32_OVERRIDE=0 "${cli[@]}" parity "$APP/test/fixtures/$fixture.safetensors" --device tensorflow --json
  done
}

# The wasm device over threads, with 256-bit vectors and without; it needs only the first part, and no GPU.
step_wasm() {
  local count
  [ -s "$HZ/wasm-done.jsonl" ] && [ -z "$DRY" ] && { cat "$HZ/wasm-done.jsonl" >>"$OUT/results.jsonl"; say '## wasm: measured before'; return; }
  for count in $threads; do
    run "wasm-$count" 50 "${cli[@]}" bench unet --device wasm $model --batch "$scale_batch" --threads "$count" --rounds 2 --json
  done
  # Where the time goes on all of them.
  run wasm-layers 40 "${cli[@]}" bench unet --device wasm $model --batch "$scale_batch" --threads "${threads%% *}" --rounds 1 --layers --json
  [ ! -x "$HZ/bin/node20" ] || run wasm-node20 60 "$HZ/bin/node20" "$APP/dist/src/cli.js" bench unet --device wasm $model --batch "$scale_batch" --threads "${threads%% *}" --rounds 2 --json
  # Kept only if all of it was measured.
  case "$failed " in *" wasm"*) return 1 ;; esac
  [ "$skipped" = "" ] && tail -n +$((known + 1)) "$OUT/results.jsonl" | grep '"step": "wasm' >"$HZ/wasm-done.jsonl"
}

all='machine libraries doctor devices parity parity_tf32 bench torch bench_unet2d torch_unet2d bench_dit torch_dit layouts train sample generate bench_f32 latents torch_compile wasm xla_fusible xla repeat deterministic'
steps=("$@")
[ ${#steps[@]} -gt 0 ] || steps=($all)
say "# measure.sh, $(date -u +%FT%TZ), budget $BUDGET s, steps: ${steps[*]}${DRY:+, DRY}"
for step in "${steps[@]}"; do
  if declare -F "step_${step//-/_}" >/dev/null; then "step_${step//-/_}"; else say "no step $step: $all"; failed="$failed $step"; fi
done
say "# done in $((SECONDS - begun)) s"
"$PY" - "$OUT/results.jsonl" "$known" <<'P' 2>&1 | tee -a "$OUT/steps.txt"
import json, sys
for line in open(sys.argv[1]).readlines()[int(sys.argv[2]):]:
    row = json.loads(line)
    name, data = row['step'], row['data']
    if not isinstance(data, dict):
        continue
    if 'groups' in data:
        worst = max(data['groups'], key=lambda g: g['worst']['error'] / (g['worst']['tolerance'] or 1))
        fails = [g['name'] for g in data['groups'] if not g['holds']]
        print(f"{name}: {'holds' if data['holds'] else 'DOES NOT HOLD: ' + ', '.join(fails)}; nearest {worst['name']} {worst['worst']['error']:.1e} of {worst['worst']['tolerance']:.1e}")
    elif 'results' in data:
        for r in data['results']:
            wide = ' wide' if r.get('wide') else ''
            print(f"{name}: {r.get('device')}{wide}, {r.get('threads')} threads, {r['what']} batch {r['batch']}: {r['ms']:.2f} ms, from {r.get('spread')}")
    elif data.get('by') == 'torch' and 'train_host' in data:
        print(f"{name}: {data['mode']} batch {data['batch']} tf32 {data['tf32']}: train {data['train_host']['ms']} ms (resident {data['train_resident']['ms']}), "
              f"forward {data['forward_host']['ms']} ms (resident {data['forward_resident']['ms']}), warm-up {data['warm_up_s']} s, peak {data.get('train_peak_MiB')} MiB")
    elif data.get('by') == 'torch' and 'encode_one' in data:
        parts = [f"{what} {data[what + '_one']['ms']} ms one by one, {data[what + '_batch']['ms']} ms of {data['batch']}, error {data[what + '_error']}"
                 for what in ('encode', 'decode')]
        print(f"{name}: {data['mode']} tf32 {data['tf32']}: {'; '.join(parts)}")
    elif 'threads' in data or name in ('train-summary', 'repeat', 'deterministic-repeat') or 'failed' in data or 'skipped' in data:
        print(f'{name}:', json.dumps(data))
P
echo "$(du -sb "$OUT" | cut -f1) bytes in $OUT"
# Without a GPU, these four may say so.
for step in $failed; do
  case $step in machine | libraries | doctor | devices) ;; *) [ -z "$DRY" ] || { say "FAILED:$failed"; exit 1; } ;; esac
done
