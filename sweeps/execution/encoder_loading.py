"""Trained networks for notebooks.

from sweeps.api import load_encoder
features = load_encoder("results/quickstart", run_id).encode(images)     # (N, C, H, W) uint8 -> (N, F)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mmcr_core.augmentation.augmentations import plain_view
from mmcr_core.config.run import RunSpec, SpecError, ViewSpec
from mmcr_core.evaluation.image_text_evaluation import embed_texts
from mmcr_core.models.dual_encoder import PairNetwork
from mmcr_core.models.networks import build_network
from sweeps.cli.errors import UserError
from sweeps.config.spec_serialization import spec_from_json
from sweeps.execution.saved_weights import read_kept
from sweeps.exporting.model import is_exported, read_exported
from sweeps.storage.sweep_store import Store


class TrainedNetwork(nn.Module):
    """A network whose training has ended, in eval mode: `encoder` (images to features), `projector` (features to the D
    embedding dimensions), `views` (the recipe it was trained with), `spec` (the whole run), `step` (steps taken).
    Of image-text pairs encoder and projector are those of images, and `texts` embeds captions.

    `encode(images)` gives features, without gradients; `net(images)` gives unit embeddings, with them unless it is
    called under torch.no_grad(). Images are (N, C, H, W) of any size, a tensor or an array: uint8 in 0..255, or floats
    of any precision in [0, 1]. Both raise UserError for others.
    """

    def __init__(self, spec: RunSpec, state: dict[str, Tensor], step: int) -> None:
        super().__init__()
        network = build_network(spec)
        network.load_state_dict(state)
        self._towers = network if isinstance(network, PairNetwork) else None
        self.encoder, self.projector = network.encoder, network.projector
        self.spec, self.step = spec, step
        self.views: ViewSpec = spec.views
        self.eval()

    def prepare(self, images: Tensor) -> Tensor:
        """(N, C, H, W) images -> (N, C, S, S) float32: whole, resized to the views' size, normalized."""
        checked = self._checked(torch.as_tensor(images))
        return plain_view(checked.permute(0, 2, 1, 3).contiguous(), self.views)

    def _checked(self, images: Tensor) -> Tensor:
        """Images where the network is, floats as float32. Raises UserError."""
        channels = len(self.views.mean)
        if images.ndim != 4 or images.shape[1] != channels or not images.numel():
            shape = f"images have shape {tuple(images.shape)}; this network takes (N, {channels}, H, W)"
            last = images.ndim == 4 and images.shape[3] == channels
            raise UserError(shape + (": give images.permute(0, 3, 1, 2)" if last else ""))
        if images.dtype != torch.uint8:
            if not images.is_floating_point():
                raise UserError(f"images are {images.dtype}; give torch.uint8 in 0..255, or floats in [0, 1]")
            images = images.float()
            low, high = (float(bound) for bound in images.detach().aminmax())
            if not (low >= 0 and high <= 1):  # also where they are not numbers
                expected = "give floats in [0, 1], which are normalized here, or uint8 in 0..255"
                raise UserError(f"float images lie in [{low:g}, {high:g}]; {expected}")
        return images.to(next(self.parameters()).device)

    @torch.no_grad()
    def encode(self, images: Tensor, batch: int = 512) -> Tensor:
        """(N, C, H, W) images -> (N, F) float32 features of the encoder, `batch` at a time, without gradients."""
        parts = torch.split(torch.as_tensor(images), batch)
        return torch.cat([self.encoder(self.prepare(part)).float() for part in parts])

    @torch.no_grad()
    def texts(self, captions: Sequence[str]) -> Tensor:
        """n captions -> (n, D) unit embeddings, to be compared with those of images. Raises: UserError where the run
        had no captions."""
        if self._towers is None:
            raise UserError(f"{self.spec.dataset.name} has images only, so this network embeds no texts")
        return embed_texts(self._towers, self.spec, captions)

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) images -> (N, D) float32 unit embeddings."""
        embeddings: Tensor = self.projector(self.encoder(self.prepare(images)))
        return nn.functional.normalize(embeddings.float(), dim=-1)


def load_encoder(results: str | Path, run_id: str | None = None, device: str = "cpu") -> TrainedNetwork:
    """The network of a finished run in a sweep's folder or URL, or without `run_id` one that was exported there.

    Raises: UserError where there is no such run, none of its weights, or no such device, or
        where its own encoder is not to be found (in the current folder or on PYTHONPATH).
    """
    target = _usable(device)
    if run_id is None:
        if not is_exported(results):
            raise UserError(f"{results} is no exported network; give the run_id of one of a sweep's runs too")
        spec, network, step = read_exported(results)
    else:
        spec, state = kept_network(Store(results), run_id)
        network, step = state["network"], state["step"]
    try:
        return TrainedNetwork(spec, network, step).to(target)
    except SpecError as error:  # its encoder is a user's own, and that is not here, or another one
        raise UserError(f"{f'run {run_id}' if run_id else results}: encoder: {error}") from error


def kept_network(store: Store, run_id: str) -> tuple[RunSpec, dict[str, Any]]:
    """The spec of a finished run and what was kept of it, as of `read_kept`. Raises UserError where there is no such
    run, or none of its weights."""
    results, state = store.root, read_kept(store, run_id)
    if state is None:
        known = store.status(run_id)
        if known is None:
            raise UserError(f"{results} has no run {run_id} that has ended; see the column run_id of its runs")
        if store.has_weights(run_id):
            what = f"what {results}/weights has of run {run_id}"
            raise UserError(f"{what} is damaged; see: python sweeps/store.py check {results}")
        raise UserError(f"run {run_id} is {known} and kept no weights; train it with checkpoint: {{keep: weights}}")
    spec = spec_from_json(state["spec"])
    if spec is None:
        raise UserError(f"run {run_id} of {results} is of another version of this code; check out its git_commit")
    return spec, state


def _usable(device: str) -> torch.device:
    """Raises UserError where this machine has no such device."""
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:  # a name that torch does not know; CUDA that is not there
        reason = str(error).splitlines()[0]
        raise UserError(f"device: '{device}' cannot be used on this machine ({reason}); use cpu or cuda") from error
