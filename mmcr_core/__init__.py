"""The science of MMCR pretraining, on tensors. Knows nothing of Ray, YAML or the result store."""

import os

# Before torch loads OpenMP: threads that spin for each other take 20 times as long where others use the cores too.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
