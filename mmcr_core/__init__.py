"""The science of MMCR pretraining, on tensors. Knows nothing of Ray, YAML or the result store."""

import os

# Before torch loads OpenMP: threads that spin for each other take 20 times as long where others use the cores too.
# A short spin, of some microseconds, keeps the speed of a quiet machine, which none at all costs a fifth of.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
