#!/usr/bin/env bash
# Submit one of the project's jobs with the right jars, settings and code.
#
#   ./spark-submit.sh JOB [flags of the job]        JOB: a name in jobs/, or a path
#
#   MASTER          local[*] (default), spark://host:7077, yarn
#   DEPLOY_MODE     client (default) or cluster
#   DRIVER_MEMORY   default 2g         EXECUTOR_MEMORY   default 2g
#   SPARK_CONF      further settings, "key=value key=value"
#   COVERS_PYTHON   Python of the workers, default .venv/bin/python
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python=${COVERS_PYTHON:-$root/.venv/bin/python}

usage() { sed -n '2,10s/^# \{0,1\}//p' "$0"; echo "jobs: $(cd "$root/jobs" && ls [a-z]*.py | sed 's/\.py$//' | paste -sd' ')"; }
[ $# -gt 0 ] || { usage >&2; exit 2; }
case $1 in -h|--help) usage; exit 0 ;; esac
job=$1; shift
name=$(basename "$job" .py)
new=$(sed -n "/^RENAMED/s/.*\"$name\": \"\([a-z_]*\)\".*/\1/p" "$root/jobs/__init__.py")  # a job of an earlier version
[ -f "$root/jobs/$name.py" ] || [ -z "$new" ] || { echo "$name is now $new" >&2; exit 2; }
[ -f "$root/jobs/$name.py" ] || { echo "spark-submit.sh: job must be one of jobs/, got '$job'; see ./spark-submit.sh --help" >&2; exit 2; }
[ -x "$python" ] || { echo "spark-submit.sh: the environment must be set up, got no $python; run: make setup" >&2; exit 3; }

# --help needs no cluster: it answers in a second
for flag in "$@"; do case $flag in -h|--help) cd "$root" && PYTHONPATH=$root/lib exec "$python" -m "covers.jobs.$name" --help ;; esac; done

work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
"$python" - "$root/lib" "$work/covers.zip" <<'PY'
import os, sys, zipfile
root, target = sys.argv[1:]
with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
    for folder, _, names in os.walk(os.path.join(root, "covers"), followlinks=True):  # jobs and schemas are links
        for name in sorted(names):
            if "__pycache__" not in folder:
                archive.write(os.path.join(folder, name), os.path.relpath(os.path.join(folder, name), root))
PY
conf=()
for setting in ${SPARK_CONF:-}; do conf+=(--conf "$setting"); done
jars=$(ls "$root"/.venv/jars/*.jar | paste -sd,)
SPARK_HOME=$("$python" -c 'import pyspark; print(pyspark.__path__[0])')
export SPARK_HOME PYSPARK_PYTHON=$python PYSPARK_DRIVER_PYTHON=$python SPARK_LOCAL_IP=${SPARK_LOCAL_IP:-127.0.0.1}
export PYTHONPATH=$root/lib${PYTHONPATH:+:$PYTHONPATH}
export COVERS_COMMIT=${COVERS_COMMIT:-$(git -C "$root" rev-parse HEAD 2>/dev/null || true)}
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} TF_CPP_MIN_LOG_LEVEL=3

# In client mode Spark prints Python's standard error to standard output: jobs write it to this file.
export COVERS_STDERR=$work/stderr
status=0
"$SPARK_HOME/bin/spark-submit" \
    --master "${MASTER:-local[*]}" --deploy-mode "${DEPLOY_MODE:-client}" \
    --driver-memory "${DRIVER_MEMORY:-2g}" --executor-memory "${EXECUTOR_MEMORY:-2g}" \
    --jars "$jars" --py-files "$work/covers.zip" \
    --properties-file "$root/environment/spark.conf" "${conf[@]}" \
    "$root/jobs/$name.py" "$@" 2> >(grep -vE --line-buffered ' (INFO|WARN) |^WARNING: |Using Spark.s default|Setting (default|Spark) log level|To adjust logging level|netlib-blas|^\s*$' >&2) || status=$?
[ ! -s "$COVERS_STDERR" ] || cat "$COVERS_STDERR" >&2
exit "$status"
