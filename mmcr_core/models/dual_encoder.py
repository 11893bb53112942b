"""A dual encoder, of images and of texts, as open_clip builds it: from a configuration, never from trained weights."""

from __future__ import annotations

import difflib
import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mmcr_core import strict_json
from mmcr_core.config.run import EncoderSpec, ProjectorSpec, RunSpec, SpecError
from mmcr_core.models.encoders import build_projector, uncounted_norms

TINY: dict[str, Any] = {  # for images of 32 pixels and captions of a few words, on a CPU
    "embed_dim": 64,
    "vision_cfg": {"image_size": 32, "layers": 3, "width": 64, "head_width": 32, "patch_size": 8},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
}
ELSEWHERE = {  # parts of a configuration that nothing here can make
    "multimodal_cfg": "a decoder",
    "text_cfg.hf_model_name": "a text encoder that must be downloaded",
    "text_cfg.hf_tokenizer_name": "a tokenizer that must be downloaded",
}
NUMBERS = (  # part, key, the least that makes sense
    ("", "embed_dim", 1),
    *(("vision_cfg", key, 1) for key in ("layers", "width", "head_width", "patch_size", "image_size")),
    *(("text_cfg", key, 1) for key in ("layers", "width", "heads")),
    ("text_cfg", "context_length", 3),  # a beginning, a word and an end
)
VOCABULARY = 49408  # of open_clip's own tokenizer


class PairNetwork(nn.Module):
    """(P * views, C, S, S) images, those of one pair consecutive, and (P * captions, L) tokens -> (P, K, D)
    embeddings, the captions' last.

    `encoder` and `projector` are those of images, so that probes look at what the image encoder gives; `text` and
    `text_projector` those of texts. Without hidden layers the encoders themselves give D dimensions.
    Raises: SpecError where open_clip cannot make the configuration.
    """

    def __init__(
        self,
        encoder: EncoderSpec,
        projector: ProjectorSpec,
        dims: int,
        size: int,
        views: int = 1,
        captions: int = 1,
    ) -> None:
        super().__init__()
        architecture = json.loads(encoder.architecture or resolved(encoder.config or ""))
        width = int(architecture["embed_dim"]) if projector.hidden else dims
        self.encoder, self.text = _towers(architecture, width, size)
        made = [build_projector(width, projector.hidden, dims) if projector.hidden else nn.Identity() for _ in range(2)]
        self.projector, self.text_projector = made
        self._images, self._texts = (-1, views, dims), (-1, captions, dims)
        self.uncounted_norms = uncounted_norms(self)

    def forward(self, images: Tensor, tokens: Tensor) -> Tensor:
        of_images, of_texts = self.of_images(images), self.of_texts(tokens)
        return torch.cat([of_images.view(self._images), of_texts.view(self._texts)], dim=1)

    def of_images(self, images: Tensor) -> Tensor:
        """(B, C, S, S) -> (B, D), not normalized."""
        embeddings: Tensor = self.projector(self.encoder(images))
        return embeddings

    def of_texts(self, tokens: Tensor) -> Tensor:
        """(B, L) int64 -> (B, D), not normalized."""
        embeddings: Tensor = self.text_projector(self.text(tokens))
        return embeddings


class InColor(nn.Module):
    """An image encoder, which wants three channels, for images that may have one."""

    def __init__(self, tower: nn.Module) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.tower(images.expand(-1, 3, -1, -1))
        return features


class Tokens:
    """Texts to the tokens of a text encoder: (n, L) int64, cut to L = its context length."""

    def __init__(self, architecture: str) -> None:
        self._architecture = architecture
        given = json.loads(architecture)["text_cfg"]
        self._tokenizer = open_clip().SimpleTokenizer(
            context_length=given.get("context_length", 77), **(given.get("tokenizer_kwargs") or {})
        )

    def __reduce__(self) -> tuple[type[Tokens], tuple[str]]:
        """Made anew in another process, since open_clip must be imported by `open_clip` there too."""
        return Tokens, (self._architecture,)

    def __call__(self, texts: Sequence[str]) -> NDArray[np.int64]:
        tokens: NDArray[np.int64] = self._tokenizer(list(texts)).numpy()
        return tokens


def build_pair_network(spec: RunSpec) -> PairNetwork:
    """The dual encoder of a run, its initial weights following from the seed alone; the global generator stays as it
    was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(spec.seed)
        captions = spec.dataset.captions or 1
        return PairNetwork(spec.encoder, spec.projector, spec.D, spec.views.size, spec.image_views, captions)


def tokens_of(spec: RunSpec) -> Tokens:
    """What turns the captions of a run into tokens."""
    return _tokens(spec.encoder.architecture or resolved(spec.encoder.config or ""))


@functools.lru_cache(maxsize=4)
def _tokens(architecture: str) -> Tokens:
    return Tokens(architecture)


def resolved(config: str) -> str:
    """A configuration as canonical JSON: `tiny`, one of open_clip's by its name, or a JSON file laid out as those are.

    Raises: SpecError where there is none, or it needs what must be downloaded.
    """
    architecture = TINY if config == "tiny" else _from_file(config) if config.endswith(".json") else _named(config)
    for part, what in ELSEWHERE.items():
        if _within(architecture, part):
            raise SpecError("config", f"'{config}' has {part}, {what}; use one without, such as ViT-B-32")
    for part in ("embed_dim", "vision_cfg", "text_cfg"):
        if part not in architecture:
            example = "see those that open_clip ships in model_configs, ViT-B-32.json say"
            raise SpecError("config", f"'{config}' lacks {part}; {example}")
    kwargs = architecture["text_cfg"].get("tokenizer_kwargs") or {}
    if kwargs.get("reduction_mask", "simple") not in ("", "simple"):
        problem = f"'{config}' shortens captions by chance (reduction_mask: {kwargs['reduction_mask']})"
        raise SpecError("config", f"{problem}, which no resumed run could repeat; leave that out")
    if architecture["text_cfg"].get("vocab_size", VOCABULARY) < VOCABULARY:
        problem = f"'{config}' has vocab_size {architecture['text_cfg']['vocab_size']}"
        raise SpecError("config", f"{problem}; open_clip's tokenizer needs {VOCABULARY}")
    _require_numbers(config, architecture)
    kept = {key: value for key, value in architecture.items() if key in ("embed_dim", "vision_cfg", "text_cfg")}
    kept |= {"quick_gelu": bool(architecture.get("quick_gelu"))}
    return json.dumps(kept, sort_keys=True, separators=(",", ":"))


def _require_numbers(config: str, architecture: dict[str, Any]) -> None:
    """Raises SpecError where a size is no whole number, or too small to mean anything."""
    for outer, key, least in NUMBERS:
        part = architecture if not outer else architecture[outer]
        value, place = part.get(key), f"{outer}.{key}" if outer else key
        if value is None:  # not given, as the patches of a ResNet
            continue
        values = value if key == "layers" and isinstance(value, list) and value else [value]
        if not all(isinstance(one, int) and not isinstance(one, bool) and one >= least for one in values):
            raise SpecError("config", f"'{config}': {place} is {value!r}; it must be a whole number, {least} or more")


def _within(architecture: dict[str, Any], part: str) -> Any:
    outer, _, inner = part.partition(".")
    found = architecture.get(outer)
    return found.get(inner) if inner and isinstance(found, dict) else found if not inner else None


def _from_file(path: str) -> dict[str, Any]:
    try:
        found = strict_json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise SpecError(
            "config", f"'{path}' cannot be read ({error.strerror}); give the path of a JSON file"
        ) from error
    except strict_json.RepeatedKey as error:
        raise SpecError("config", f"'{path}': {error}") from error
    except ValueError as error:
        raise SpecError("config", f"'{path}' is not a file of JSON ({error}); mend it") from error
    parts = (
        [found, *(found.get(part, {}) for part in ("vision_cfg", "text_cfg"))] if isinstance(found, dict) else [None]
    )
    if not all(isinstance(part, dict) for part in parts):
        raise SpecError("config", f"'{path}' must hold a mapping with embed_dim, vision_cfg and text_cfg")
    return dict(found)


def _named(name: str) -> dict[str, Any]:
    library = open_clip()
    known = library.list_models()
    if name not in known:
        version = library.__version__
        problem = f"'{name}' is no configuration of open_clip {version}, nor tiny, nor a .json file"
        alike = difflib.get_close_matches(name, known, 3)
        remedy = f"did you mean {' or '.join(alike)}?" if alike else "see open_clip.list_models()"
        raise SpecError("config", f"{problem}; {remedy}")
    found: dict[str, Any] = library.get_model_config(name)
    return found


def _towers(architecture: dict[str, Any], width: int, size: int) -> tuple[nn.Module, nn.Module]:
    """The image encoder for images of `size` pixels and the text encoder, both to `width` features."""
    vision = architecture["vision_cfg"] | {"image_size": size, "timm_model_pretrained": False}
    patch = vision.get("patch_size", 16)
    if isinstance(vision.get("layers", 12), int) and not vision.get("timm_model_name") and size % patch:
        raise SpecError(
            "config", f"has patches of {patch} pixels, which don't divide views of {size}; change views.size"
        )
    library = open_clip()
    try:
        made = library.CustomTextCLIP(width, vision, architecture["text_cfg"], architecture.get("quick_gelu", False))
    except Exception as error:  # whatever open_clip raises on keys and values that it does not know
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise SpecError("config", f"cannot be built by open_clip ({reason}); mend it") from error
    return InColor(made.visual), made.text


def open_clip() -> Any:
    """The library. Raises SpecError where it is not installed."""

    from mmcr_core.data import (
        torchvision_import,  # noqa: F401  # open_clip imports torchvision, which this makes importable
    )

    try:
        import open_clip as library
    except ImportError as error:
        raise SpecError("name", "needs open_clip; install it: pip install 'mmcr-sweeps[multimodal]'") from error
    return library
