"""Dual encoders as open_clip builds them, their configurations and tokens."""

import json
import pickle

import pytest
import torch

from mmcr_core.config.run import EncoderSpec, ProjectorSpec, SpecError
from mmcr_core.models.dual_encoder import TINY, PairNetwork, Tokens, build_pair_network, open_clip, resolved
from mmcr_core.models.networks import rank_bound
from mmcr_core.training.flops import caption_flops, network_flops
from mmcr_core.training.memory import network_memory

TOKENS = torch.tensor([[49406, 9888, 49407] + [0] * 13, [49406, 40902, 49407] + [0] * 13])


def test_a_named_configuration_is_open_clips_own_model():
    config = "ViT-S-32-alt"
    torch.manual_seed(5)
    theirs = open_clip().create_model(config, pretrained=None, embed_dim=24).eval()
    torch.manual_seed(5)
    ours = PairNetwork(EncoderSpec("towers", config=config), ProjectorSpec(()), 24, 224).eval()
    images = torch.randn(2, 3, 224, 224)
    tokens = open_clip().get_tokenizer(config)(["a dog", "two cats"])
    with torch.no_grad():
        z = ours(images, tokens)
        torch.testing.assert_close(z[:, 0], theirs.encode_image(images))
        torch.testing.assert_close(z[:, 1], theirs.encode_text(tokens))


def test_views_and_captions_of_a_pair_stand_together():
    network = PairNetwork(EncoderSpec("towers"), ProjectorSpec(()), 8, 32, views=2, captions=1).eval()
    images = torch.randn(4, 1, 32, 32)
    with torch.no_grad():
        z = network(images, TOKENS)
        assert z.shape == (2, 3, 8)
        torch.testing.assert_close(z[1, 0], network.of_images(images[2:3])[0])
        torch.testing.assert_close(z[1, 2], network.of_texts(TOKENS[1:])[0])


def test_a_projector_stands_on_each_tower_and_keeps_its_own_width():
    network = PairNetwork(EncoderSpec("towers"), ProjectorSpec((40,)), 8, 32)
    assert network.projector[0].in_features == network.text_projector[0].in_features == TINY["embed_dim"]
    assert network.projector is not network.text_projector
    assert network(torch.randn(2, 1, 32, 32), TOKENS).shape == (2, 2, 8)


def test_the_initial_weights_follow_from_the_seed(pairs_spec):
    one, same, other = (build_pair_network(pairs_spec(seed=seed)).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


def linear_flops(weights, tokens):
    return 2 * weights * tokens


def tower_flops(width, layers, tokens, first, dims):
    """Forward: 12 width^2 weights a block on each token, two attention products, the first and the last layer."""
    block = linear_flops(12 * width**2, tokens) + 2 * 2 * tokens**2 * width
    return layers * block + first + linear_flops(width * dims, 1)


def test_flops_are_those_of_the_formula():
    key = (EncoderSpec("towers"), ProjectorSpec(()), 48, 3, 32)
    patches = linear_flops(3 * 8 * 8 * 64, 16)
    images = tower_flops(64, 3, 17, patches, 48)
    assert network_flops(*key, backward=False) == images
    assert network_flops(*key) == 3 * images - patches  # no gradient of the pixels
    texts = tower_flops(64, 2, 16, 0, 48)
    assert caption_flops(*key, backward=False) == texts
    assert caption_flops(*key) == 3 * texts


def test_memory_counts_the_parameters_of_both_towers():
    parameters, per_view, per_caption = network_memory(EncoderSpec("towers"), ProjectorSpec(()), 48, 3, 32)
    network = PairNetwork(EncoderSpec("towers"), ProjectorSpec(()), 48, 32)
    assert parameters == sum(p.numel() for p in network.parameters())
    assert sum(per_view) > sum(per_caption) > 10_000


def test_the_rank_of_the_centroids_is_bounded_by_both_last_layers(pairs_spec):
    assert rank_bound(pairs_spec()) == 128
    assert rank_bound(pairs_spec(projector=ProjectorSpec((40,)))) == 80


def test_tokens_are_open_clips_and_go_to_other_processes():
    tokens = pickle.loads(pickle.dumps(Tokens(resolved("tiny"))))
    found = tokens(["greek small letter alpha", "x " * 100])
    theirs = open_clip().SimpleTokenizer(context_length=16)(["greek small letter alpha", "x " * 100])
    assert torch.equal(torch.from_numpy(found), theirs)


def test_a_file_is_a_configuration_by_what_it_says(tmp_path):
    file = tmp_path / "a.json"
    file.write_text(json.dumps(TINY, indent=4))
    assert resolved(str(file)) == resolved("tiny")


def test_of_open_clips_own_configurations_those_are_refused_that_need_more_than_is_here():
    refused = {}
    for config in open_clip().list_models():
        try:
            resolved(config)
        except SpecError as error:
            refused[config] = str(error)
    assert all("must be downloaded" in said or "a decoder" in said or "by chance" in said for said in refused.values())
    assert len(open_clip().list_models()) - len(refused) == 92  # as docs/multimodal.md says


def test_a_resnet_tower_is_built(pairs_spec):
    key = (EncoderSpec("towers", config="RN50"), ProjectorSpec(()), 16, 1, 32)
    assert network_flops(*key) > network_flops(*key, backward=False) > 0


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ("ViT-B-33", "'ViT-B-33' is no configuration of open_clip .*, nor tiny.*; did you mean ViT-B-32"),
        ("ViT-B-16-SigLIP", "hf_tokenizer_name, a tokenizer that must be downloaded"),
        ("coca_ViT-B-32", "has multimodal_cfg, a decoder"),
        ("roberta-ViT-B-32", "hf_model_name, a text encoder that must be downloaded"),
        ("{tmp}/none.json", "none.json' cannot be read .*; give the path of a JSON file"),
        ("{tmp}/broken.json", "broken.json' is not a file of JSON .*; mend it"),
        ("{tmp}/twice.json", 'twice.json\': it has "width" twice; leave one'),
        ("{tmp}/list.json", "must hold a mapping with embed_dim, vision_cfg and text_cfg"),
        ("{tmp}/part.json", "part.json' lacks embed_dim"),
        ("{tmp}/chance.json", "shortens captions by chance"),
        ("nothing-like-it", "see open_clip.list_models"),
        ("{tmp}/less.json", "vision_cfg.layers is -1; it must be a whole number, 1 or more"),
        ("{tmp}/words.json", "embed_dim is '64'; it must be a whole number"),
        ("{tmp}/short.json", "text_cfg.context_length is 1; it must be a whole number, 3 or more"),
        ("{tmp}/small.json", "has vocab_size 100; open_clip's tokenizer needs 49408"),
    ],
)
def test_a_configuration_of_no_use_is_refused(config, says, tmp_path):
    text = TINY["text_cfg"]
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "twice.json").write_text('{"vision_cfg": {"width": 1, "width": 2}}')
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "part.json").write_text(json.dumps({"vision_cfg": {}, "text_cfg": {}}))
    (tmp_path / "chance.json").write_text(
        json.dumps(TINY | {"text_cfg": text | {"tokenizer_kwargs": {"reduction_mask": "random"}}})
    )
    (tmp_path / "less.json").write_text(json.dumps(TINY | {"vision_cfg": TINY["vision_cfg"] | {"layers": -1}}))
    (tmp_path / "words.json").write_text(json.dumps(TINY | {"embed_dim": "64"}))
    (tmp_path / "short.json").write_text(json.dumps(TINY | {"text_cfg": text | {"context_length": 1}}))
    (tmp_path / "small.json").write_text(json.dumps(TINY | {"text_cfg": text | {"vocab_size": 100}}))
    with pytest.raises(SpecError, match=says):
        resolved(config.replace("{tmp}", str(tmp_path)))


def test_views_that_patches_do_not_divide_are_refused():
    with pytest.raises(SpecError, match="patches of 8 pixels, which don't divide views of 30"):
        PairNetwork(EncoderSpec("towers"), ProjectorSpec(()), 8, 30)
