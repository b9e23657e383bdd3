#!/usr/bin/env bash
# Everything the project needs, made once: Python packages, Delta's jars, Horovod.
#
#   .venv/            the locked Python packages (environment/requirements.lock)
#   .venv/jars/       Delta Lake's jars, checked against environment/jars.sha256
#   $COVERS_CACHE     the Horovod wheel, by torch, Python and CPU; default: ~/.cache/covers
#
# Safe to run again: each step is skipped when its result is there. `make setup` calls it.
set -euo pipefail
cd "$(dirname "$0")/.."

announce() { printf '\033[1m[setup]\033[0m %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 3; }
log=$PWD/.venv/setup.log

check_machine() {
    local python=${PYTHON:-python3.11}
    command -v "$python" >/dev/null || fail "Python 3.11 must be on PATH, got none; install it: apt-get install python3.11 python3.11-venv"
    "$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' ||
        fail "Python must be 3.11, got $("$python" -V); name another with PYTHON=/path/to/python3.11"
    "$python" -c 'import ensurepip' 2>/dev/null || fail "Python must have the venv module, got none; install it: apt-get install python3.11-venv"
    command -v java >/dev/null || fail "a JDK 17 must be on PATH, got none; install it: apt-get install openjdk-17-jdk-headless"
    local jdk; jdk=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p')
    [ "${jdk:-0}" -ge 17 ] || fail "the JDK must be 17 or later, got ${jdk:-unknown}; install it: apt-get install openjdk-17-jdk-headless"
    command -v g++ >/dev/null || fail "a C++ compiler must be on PATH (Horovod is built here), got none; install it: apt-get install g++"
    command -v make >/dev/null || fail "make must be on PATH (Horovod is built here), got none; install it: apt-get install make"
    command -v git >/dev/null || fail "git must be on PATH, got none; install it: apt-get install git"
    PYTHON=$python
}

install_packages() {
    local stamp; stamp=$(cat environment/bootstrap.lock environment/requirements.lock | sha256sum | cut -c1-16)
    [ "$(cat .venv/.packages 2>/dev/null)" = "$stamp" ] && return
    announce "1/3 Python packages into .venv (about 3 GB to download the first time, 7 GB on disk)"
    [ -x .venv/bin/python ] || "$PYTHON" -m venv .venv
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r environment/bootstrap.lock
    UV_HTTP_TIMEOUT=300 .venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps --require-hashes -r environment/requirements.lock
    echo "$stamp" > .venv/.packages
}

install_jars() {
    (cd .venv && mkdir -p jars && sha256sum --check --quiet ../environment/jars.sha256) >/dev/null 2>&1 && return
    announce "2/3 Delta Lake's jars into .venv/jars"
    # Spark's own resolver fetches them while it submits an empty job. Only Delta's and Unity
    # Catalog's are kept: the rest of what they name is inside Spark already.
    local ivy=$PWD/.venv/ivy spark; spark=$(.venv/bin/python -c 'import pyspark; print(pyspark.__path__[0])')
    : > .venv/empty_job.py
    SPARK_HOME=$spark SPARK_LOCAL_IP=127.0.0.1 PYSPARK_PYTHON=$PWD/.venv/bin/python "$spark/bin/spark-submit" \
        --master 'local[1]' --packages "$(cat environment/jars.coordinates)" \
        --conf spark.jars.ivy="$ivy" --conf spark.ui.enabled=false .venv/empty_job.py >>"$log" 2>&1 ||
        fail "Delta's jars must be reachable on Maven Central, got an error (see $log); check the network or the proxy settings and run again"
    for jar in "$ivy"/jars/io.delta_*.jar "$ivy"/jars/io.unitycatalog_*.jar; do  # group_artifact-version.jar
        cp "$jar" ".venv/jars/$(basename "$jar" | sed 's/^[a-z.]*_//')"
    done
    (cd .venv && sha256sum --check --quiet ../environment/jars.sha256) >>"$log" 2>&1 ||
        fail "Delta's jars must match environment/jars.sha256, got different files (see $log)"
    rm -rf "$ivy" .venv/empty_job.py
}

wheel_key() {  # a wheel fits one torch, one Python and one set of CPU flags
    .venv/bin/python - <<'PY'
import hashlib, platform, torch
flags = next((line for line in open("/proc/cpuinfo") if line.startswith("flags")), platform.machine())
cpu = hashlib.sha256(" ".join(sorted(flags.split())).encode()).hexdigest()[:8]
print(f"horovod0.28.1-torch{torch.__version__}-py{platform.python_version()}-{platform.machine()}-{cpu}")
PY
}

build_horovod() {
    local wheels=$1 patch=$PWD/environment/horovod.patch work; work=$(mktemp -d)
    trap "rm -rf '$work'" EXIT
    announce "3/3 Horovod is compiled from source, once for this kind of machine: 8 to 10 minutes on 2 cores"
    export PATH=$PWD/.venv/bin:$PATH MAKEFLAGS=-j$(nproc)
    export HOROVOD_WITH_PYTORCH=1 HOROVOD_WITHOUT_TENSORFLOW=1 HOROVOD_WITHOUT_MXNET=1 \
        HOROVOD_WITHOUT_MPI=1 HOROVOD_WITH_GLOO=1 HOROVOD_CPU_OPERATIONS=GLOO
    (
        set -e
        python -m pip download --disable-pip-version-check --no-deps --no-binary horovod --no-build-isolation -d "$work" horovod==0.28.1
        echo "$(cat environment/horovod.sha256)  $work/horovod-0.28.1.tar.gz" | sha256sum --check
        tar -xzf "$work/horovod-0.28.1.tar.gz" -C "$work"
        (cd "$work/horovod-0.28.1" && git init --quiet && git apply --verbose "$patch")
        python -m pip wheel --disable-pip-version-check --no-deps --no-build-isolation -w "$work/wheel" "$work/horovod-0.28.1"
    ) >>"$log" 2>&1 || fail "Horovod must compile, got an error; the compiler's messages are at the end of $log"
    mkdir -p "$wheels.part" && cp "$work"/wheel/horovod-*.whl "$wheels.part/" && mv -T "$wheels.part" "$wheels"
}

install_horovod() {
    local wheels; wheels=${COVERS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/covers}/$(wheel_key)
    [ "$(cat .venv/.horovod 2>/dev/null)" = "$(basename "$wheels")" ] && return
    mkdir -p "$(dirname "$wheels")"
    [ -d "$wheels" ] || build_horovod "$wheels"
    .venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps "$wheels"/horovod-*.whl
    basename "$wheels" > .venv/.horovod
}

stamp=$(cat environment/* | sha256sum | cut -c1-16)
[ "$(cat .venv/.ready 2>/dev/null)" = "$stamp" ] && exit 0
check_machine
install_packages
install_jars
install_horovod
echo "$stamp" > .venv/.ready
announce "ready"
