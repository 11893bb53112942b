"""The science of MMCR pretraining, on tensors. Knows nothing of Ray, YAML or the result store."""
