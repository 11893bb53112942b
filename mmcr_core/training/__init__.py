"""One pretraining run, resumable at any step: `Pretraining(spec, device).run()` yields chunks of metrics."""

from mmcr_core.training.pretraining import Chunk, Diverged, Pretraining

__all__ = ["Chunk", "Diverged", "Pretraining"]
