#!/usr/bin/env bash
# One sweep on several Slurm nodes: a Ray head on the first, a worker on each other, the launch on the head.
# Usage: sbatch --nodes=4 --gres=gpu:8 sweeps/cluster/slurm.sh GRID [KEY=VALUE ...] [options of launch.py]
# The project and its .venv (make install) and --results must lie on a file system that all nodes share.
#SBATCH --job-name=mmcr-sweep
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:INT@120
set -euo pipefail

if [[ $# -lt 1 ]]; then
    echo "usage: sbatch --nodes=N --gres=gpu:G $0 GRID [options of launch.py]" >&2
    exit 2
fi

project=${SLURM_SUBMIT_DIR:-$PWD}
bin=$project/.venv/bin
port=${RAY_PORT:-6379}
export RAY_USAGE_STATS_ENABLED=0 RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH=$project/.ray-token-$SLURM_JOB_ID
(umask 077 && od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$RAY_AUTH_TOKEN_PATH")
trap 'rm -f "$RAY_AUTH_TOKEN_PATH"' EXIT

mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=${nodes[0]}
address=$(srun --nodes=1 --ntasks=1 -w "$head" hostname --ip-address | awk '{print $1}')

# scancel and preemption send SIGTERM to every process at once. Blocked in Ray's own, it ends only the cells, which
# write a checkpoint first, and the launch.
ray_node() { # NODE [options of ray start]
    srun --nodes=1 --ntasks=1 -w "$1" "$bin/python" -c '
import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
os.execv(sys.argv[1], sys.argv[1:])' "$bin/ray" start --disable-usage-stats --block "${@:2}"
}

ray_node "$head" --head --node-ip-address="$address" --port="$port" --include-dashboard=false &
until (exec 3<>"/dev/tcp/$address/$port") 2>/dev/null; do sleep 1; done

for node in "${nodes[@]:1}"; do
    ray_node "$node" --address="$address:$port" &
done

# Two minutes before the end (see --signal), and at preemption or scancel (TERM), running cells write a checkpoint.
# At the end of its time the job queues itself again, where Slurm allows it; sbatch by hand goes on just as well.
"$bin/python" "$project/sweeps/launch.py" "$@" --address "$address:$port" &
launch=$!
ended=
trap 'ended=limit; kill -INT "$launch"' INT
trap 'ended=stopped; kill -TERM "$launch"' TERM
code=0
wait "$launch" || code=$?
while kill -0 "$launch" 2>/dev/null; do # a trap ends `wait` before the launch has ended
    code=0
    wait "$launch" || code=$?
done
# Ray's steps do not end by themselves; without this Slurm would wait KillWait for them.
squeue --noheader --steps --jobs="$SLURM_JOB_ID" --format=%i | grep -E '\.[0-9]+$' |
    xargs --no-run-if-empty scancel --signal=KILL 2>/dev/null || true
if [[ $ended == limit && $code -eq 130 ]]; then
    scontrol requeue "$SLURM_JOB_ID" || echo "not queued again; go on with sbatch" >&2
fi
exit "$code"
