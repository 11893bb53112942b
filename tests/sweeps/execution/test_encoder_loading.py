"""Trained networks for notebooks, in two lines."""

import dataclasses
import sys

import pytest
import torch

from mmcr_core import custom_imports
from mmcr_core.config.run import BudgetSpec, EncoderSpec, EvaluateSpec
from mmcr_core.data import registry
from mmcr_core.data.registry import load
from mmcr_core.models.custom_encoders import with_defaults
from mmcr_core.models.encoders import feature_count
from sweeps.cli.errors import UserError
from sweeps.execution.encoder_loading import load_encoder
from sweeps.execution.executor_settings import ExecutorSettings
from sweeps.execution.run_executor import RunExecutor
from sweeps.storage.sweep_store import Store
from tests.custom_components import write_own
from tests.mmcr_core.evaluation.test_knn_probe import knn_accuracy
from tests.sweeps.execution.test_run_executor import to_end


@pytest.fixture
def trained(tmp_path, digits_spec):
    spec = digits_spec(budget=BudgetSpec(steps=60), evaluate=EvaluateSpec(2, "knn"))
    trial = RunExecutor(spec, Store(tmp_path), "s")
    to_end(trial)
    return tmp_path, trial.run_id, spec


def test_a_trained_network_gives_the_features_that_were_probed(trained):
    folder, run_id, spec = trained
    network = load_encoder(folder, run_id)
    digits = load(spec.dataset)
    train, heldout = (network.encode(x.permute(0, 2, 1, 3)) for x in (digits.train, digits.heldout))
    assert train.shape == (1437, 128)
    accuracy = knn_accuracy(train, digits.train_labels, heldout, digits.heldout_labels)
    assert accuracy == Store(folder).read_run(run_id)["probe_accuracy"]


def test_it_knows_its_run_and_is_ready_to_use(trained):
    folder, run_id, spec = trained
    network = load_encoder(str(folder), run_id)
    assert not network.training
    assert network.step == 60
    assert network.views == spec.views
    assert dataclasses.replace(network.spec, evaluate=spec.evaluate) == spec
    z = network(torch.zeros(3, 1, 8, 8, dtype=torch.uint8))
    assert z.shape == (3, spec.D)
    torch.testing.assert_close(z.norm(dim=1), torch.ones(3))


def test_what_is_missing_is_said_in_one_sentence(trained, digits_spec, tmp_path):
    folder, run_id, _ = trained
    with pytest.raises(UserError, match="has no run 0123 that has ended"):
        load_encoder(folder, "0123")
    (folder / "weights" / f"{run_id}.safetensors").write_bytes(b"half")
    with pytest.raises(UserError, match=r"is damaged; see: python sweeps/store\.py check"):
        load_encoder(folder, run_id)
    bare = RunExecutor(digits_spec(), Store(tmp_path / "bare"), "s", ExecutorSettings(keep="none"))
    to_end(bare)
    with pytest.raises(UserError, match="is finished and kept no weights"):
        load_encoder(tmp_path / "bare", bare.run_id)


def test_a_network_with_an_own_encoder_needs_that_encoder(tmp_path, digits_spec, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    monkeypatch.setattr(custom_imports, "_FOLDERS", [])
    own = write_own(tmp_path)
    trial = RunExecutor(digits_spec(encoder=with_defaults(EncoderSpec(f"{own}:net"))), Store(tmp_path / "s"), "s")
    to_end(trial)
    assert load_encoder(tmp_path / "s", trial.run_id).encoder[0].out_channels == 4
    del sys.modules[own], custom_imports._DIGESTS[own]
    (tmp_path / f"{own}.py").write_text("net = None")
    feature_count.cache_clear()
    with pytest.raises(UserError, match=f"run {trial.run_id}: encoder: '{own}:net' is not what was planned"):
        load_encoder(tmp_path / "s", trial.run_id)


def test_towers_embed_images_and_texts_as_they_were_measured(tmp_path, pairs_spec):
    spec = pairs_spec(evaluate=EvaluateSpec(0, "none", ("retrieval", "modality_gap")))
    trial = RunExecutor(spec, Store(tmp_path), "s")
    assert to_end(trial).status == "finished"
    network, pairs = load_encoder(tmp_path, trial.run_id), registry.load(spec.dataset)
    with torch.no_grad():
        images = network(pairs.heldout.permute(0, 2, 1, 3))
    texts = network.texts([names[0] for names in pairs.heldout_captions])
    hits = (images @ texts.T).topk(10, dim=1).indices == torch.arange(len(images))[:, None]
    measured = {row["name"]: row["value"] for row in Store(tmp_path).read_measures(trial.run_id, 12)}
    assert float(hits.any(dim=1).double().mean()) == pytest.approx(measured["image_to_text_recall_10"], abs=0.01)
    assert float((images.mean(0) - texts.mean(0)).norm()) == pytest.approx(measured["modality_gap"], abs=1e-4)


def test_a_network_of_images_alone_embeds_no_texts(trained):
    folder, run_id, _ = trained
    with pytest.raises(UserError, match="digits has images only"):
        load_encoder(folder, run_id).texts(["a digit"])


def test_images_are_uint8_or_floats_in_0_to_1_and_others_are_refused(trained):
    folder, run_id, _ = trained
    network = load_encoder(folder, run_id)
    images = torch.randint(0, 256, (3, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    images[0, 0, 0, :2] = torch.tensor([0, 255])
    features, unit = network.encode(images), images.double() / 255
    assert not features.requires_grad
    for same in (unit, unit.float(), unit.numpy()):
        torch.testing.assert_close(network.encode(same), features, atol=1e-5, rtol=1e-5)
    wide = unit.clone().requires_grad_()
    network(wide).sum().backward()
    assert wide.grad is not None
    for wrong, says in (
        (unit * 16, r"lie in \[0, 16\]; give floats in \[0, 1\], which are normalized here, or uint8 in 0..255"),
        (images.float(), r"lie in \[0, 255\]"),
        (unit - 0.5, r"lie in \[-0.5, 0.5\]"),
        (unit / 0, "nan"),
        (images.long(), "are torch.int64; give torch.uint8"),
        (images[0], r"shape \(1, 8, 8\); this network takes \(N, 1, H, W\)"),
        (images.permute(0, 2, 3, 1), r"takes \(N, 1, H, W\): give images.permute\(0, 3, 1, 2\)"),
        (images.expand(3, 3, 8, 8), r"shape \(3, 3, 8, 8\); this network takes \(N, 1, H, W\)"),
    ):
        for call in (network, network.encode):
            with pytest.raises(UserError, match=says):
                call(wrong)


@pytest.mark.parametrize("device", ["gpu", "cuda:99"])
def test_a_device_that_is_not_there_is_named_and_no_weights_are_called_damaged(trained, device):
    folder, run_id, _ = trained
    with pytest.raises(UserError, match=f"^device: '{device}' cannot be used on this machine"):
        load_encoder(folder, run_id, device=device)
