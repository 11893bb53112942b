"""Views per second against lightly's MMCR transform and loss in the same loop; see `dataloader_baseline`."""

from __future__ import annotations

import torch

from tests.benchmarks.dataloader_baseline import K, compare, loader_way


def main() -> None:
    from lightly.loss import MMCRLoss
    from lightly.transforms.mmcr_transform import MMCRTransform

    import mmcr_core.data.torchvision_import  # noqa: F401  (lightly imports torchvision)

    norm = {"mean": [0.43, 0.42, 0.39], "std": [0.27, 0.26, 0.27]}
    transform = MMCRTransform(
        K, 64, cj_sat=0.4, min_scale=0.2, random_gray_scale=0.1, gaussian_blur=0.0, normalize=norm
    )
    criterion = MMCRLoss()

    def loss(z: torch.Tensor) -> torch.Tensor:
        z = torch.nn.functional.normalize(z, dim=-1)  # which lightly's loss leaves to its user
        return criterion(z, z.detach())

    compare("lightly", "lightly's transform and loss, fp32 eager", loader_way(transform, loss))
