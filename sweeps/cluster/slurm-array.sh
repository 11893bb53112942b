#!/usr/bin/env bash
# A cell of a sweep for each task of a Slurm array, without Ray: one store, as under a launch.
# Usage: sbatch --array=0-74 --gres=gpu:1 sweeps/cluster/slurm-array.sh GRID [KEY=VALUE ...] [options of launch.py]
# With --until each task trains the next best rung, one after the other, until the target is met.
# Cells are numbered as `launch.py GRID --plan` prints them.
# The project and its .venv (make install) and --results must lie on a file system that all nodes share.
#SBATCH --job-name=mmcr-cell
#SBATCH --ntasks=1
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:INT@120
set -uo pipefail

if [[ $# -lt 1 || -z ${SLURM_ARRAY_TASK_ID:-} ]]; then
    echo "usage: sbatch --array=0-N --gres=gpu:1 $0 GRID [options of launch.py]" >&2
    exit 2
fi

project=${SLURM_SUBMIT_DIR:-$PWD}
task=(--cell "$SLURM_ARRAY_TASK_ID")
[[ " $* " == *" --until"* ]] && task=(--local)
"$project/.venv/bin/python" "$project/sweeps/launch.py" "$@" "${task[@]}" &
cell=$!
ended=
trap 'ended=limit; kill -INT "$cell"' INT
trap 'ended=stopped; kill -TERM "$cell"' TERM
code=0
wait "$cell" || code=$?
while kill -0 "$cell" 2>/dev/null; do # a trap ends `wait` before the cell has ended
    code=0
    wait "$cell" || code=$?
done
if [[ $ended == limit && $code -eq 130 ]]; then
    scontrol requeue "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}" || echo "not queued again; go on with sbatch" >&2
fi
exit "$code"
