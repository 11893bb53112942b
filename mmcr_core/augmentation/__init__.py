"""Random augmentations on the device, their parameters drawn on the host."""
