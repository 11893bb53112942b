"""What `sweeps/export.py` writes is loaded by the libraries it is for, bit for bit, by the code that its cards show."""

import json
import re
import shutil

import pandas as pd
import pytest
import torch
from huggingface_hub import DatasetCard, ModelCard
from safetensors.torch import load_file
from typer.testing import CliRunner

from analysis import open_results
from mmcr_core.config.run import BudgetSpec, EncoderSpec, EvaluateSpec, OptimizerSpec
from sweeps.api import UserError, load_encoder
from sweeps.execution.executor_settings import ExecutorSettings
from sweeps.execution.run_executor import RunExecutor
from sweeps.export import app
from sweeps.storage.sweep_store import Store
from tests.conftest import maker
from tests.sweeps.execution.test_run_executor import to_end

THREE = BudgetSpec(steps=3)
RESNET = EncoderSpec("resnet18", "imagenet")
VIT = {"depth": 2, "patch_size": 4}
KINDS = {  # encoder, --format -> its file of tensors
    "torchvision": (RESNET, None, "model.safetensors"),
    "torchvision-small": (EncoderSpec("resnet18", "small"), None, "model.safetensors"),
    "timm": (RESNET, "timm", "model.safetensors"),
    "timm-own": (EncoderSpec("timm", model="resnet10t"), None, "model.safetensors"),
    "timm-vit": (EncoderSpec("timm", model="vit_tiny_patch16_224", options=VIT), None, "model.safetensors"),
    "open_clip": (None, None, "open_clip_model.safetensors"),
    "plain": (EncoderSpec("convnet"), None, "model.safetensors"),
}


def export(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of each encoder in one store: the store, encoder -> run_id."""
    from mmcr_core.config.run import DatasetSpec, ProjectorSpec

    store, runs = Store(tmp_path_factory.mktemp("trained") / "sweep"), {}
    digits = maker(dataset=DatasetSpec("digits"), projector=ProjectorSpec((32,)), budget=THREE)
    pairs = maker(dataset=DatasetSpec("glyphs"), budget=THREE)
    for encoder in dict.fromkeys(encoder for encoder, _, _ in KINDS.values()):
        spec = digits(encoder=encoder, evaluate=EvaluateSpec(2, "knn")) if encoder else pairs()
        trial = RunExecutor(spec, store, "sweep")
        assert to_end(trial, 5).status == "finished"
        runs[encoder] = trial.run_id
    return store, runs


@pytest.fixture(params=KINDS)
def exported(request, trained, tmp_path):
    """The folder of an export, its network as the store has it, and the name of its form."""
    store, runs = trained
    encoder, form, file = KINDS[request.param]
    ran = export(store.root, runs[encoder], "--to", tmp_path / "out", *(["--format", form] if form else []))
    assert ran.exit_code == 0, ran.output
    assert (tmp_path / "out" / file).exists()
    return tmp_path / "out", load_encoder(store.root, runs[encoder]), request.param.split("-")[0]


def test_load_encoder_reads_it_without_the_store(exported, tmp_path):
    folder, network, _ = exported
    moved = shutil.move(folder, tmp_path / "elsewhere")
    again = load_encoder(moved)
    before, after = network.state_dict(), again.state_dict()
    assert list(before) == list(after) and all(torch.equal(before[key], after[key]) for key in before)
    assert (again.spec, again.views, again.step) == (network.spec, network.views, 3)
    size, channels = network.views.size, len(network.views.mean)
    images = torch.randint(0, 256, (4, channels, size, size), dtype=torch.uint8)
    assert torch.equal(again(images), network(images))


def test_the_code_on_its_card_loads_it_bit_for_bit(exported, monkeypatch):
    from mmcr_core.data import torchvision_import  # noqa: F401  # which makes torchvision importable here

    folder, network, form = exported
    blocks = re.findall(r"```py\n(.*?)\n```", (folder / "README.md").read_text(), re.S)
    assert "load_encoder" in blocks[0] and len(blocks) == (1 if form == "plain" else 2)
    if form == "plain":
        return
    monkeypatch.chdir(folder)
    found = {}
    exec(blocks[1], found)
    theirs = found["network"].eval()
    images = network.prepare(torch.rand(4, len(network.views.mean), network.views.size, network.views.size))
    if form == "open_clip":
        tokens = torch.randint(1, 400, (4, 16))
        assert torch.equal(theirs.encode_image(images.expand(-1, 3, -1, -1)), network.encoder(images))
        assert torch.equal(theirs.encode_text(tokens), network._towers.text(tokens))
        return
    ours = network.encoder.state_dict()
    assert list(theirs.state_dict()) == list(ours)
    assert all(torch.equal(tensor, ours[key]) for key, tensor in theirs.state_dict().items())
    assert torch.equal(theirs(images), network.encoder(images))


def test_a_projector_is_written_and_named_where_there_is_one(exported):
    folder, network, form = exported
    file = folder / "projector.safetensors"
    there = any(name.startswith("projector.") for name in network.state_dict())
    assert there == (form != "open_clip") == file.exists()
    assert form == "plain" or there == (file.name in (folder / "README.md").read_text())
    assert not there or load_file(file)


def test_its_configuration_says_what_it_was_trained_with(exported):
    folder, network, form = exported
    config = json.loads((folder / "config.json").read_text())
    assert config["mean"] == list(network.views.mean) and config["augmentations"]["size"] == config["image_size"]
    assert config["spec"]["P"] == 16 and config["format"] == form
    if form == "timm":
        import timm

        theirs = timm.create_model(f"local-dir:{folder}", pretrained=True)
        assert list(theirs.pretrained_cfg["mean"]) == config["mean"]
        ours = network.encoder.state_dict()
        assert all(torch.equal(tensor, ours[key]) for key, tensor in theirs.state_dict().items())
    if form == "open_clip":
        import open_clip

        theirs = open_clip.create_model(f"local-dir:{folder}")
        assert torch.equal(theirs.visual.conv1.weight, network.encoder.tower.conv1.weight)


def test_its_card_is_in_the_hub_s_form_with_its_numbers(trained, exported):
    store, _ = trained
    folder, _, form = exported
    card = ModelCard.load(folder / "README.md")
    run_id = json.loads((folder / "config.json").read_text())["run_id"]
    row = store.read_run(run_id)
    assert card.data.library_name == ("pytorch" if form == "plain" else form)
    assert row["git_commit"] in card.text and f"{row['percent_error']:.4g}" in card.text
    facts = [line.split(" | ")[0] for line in card.text.split("## Provenance")[1].splitlines()]
    assert "| device" in facts and len(set(facts)) == len(facts) - facts.count("") + 1
    results = {one.metric_name: one.metric_value for one in card.data.eval_results}
    assert results["heldout_percent_error"] == row["heldout_percent_error"]
    assert results.get("knn_accuracy") == row["probe_accuracy"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["RESNET"], "--to: is missing; name a folder to write to"),
        (["--to", "OUT"], "give a RUN_ID to export its network, or --tables to export the sweep's tables: one of both"),
        (["RESNET", "--tables", "--to", "OUT"], "give a RUN_ID to export its network, or --tables"),
        (["--tables", "--format", "timm", "--to", "OUT"], "--format: is for networks; leave it out with --tables"),
        (["RESNET", "--to", "FULL"], "exists and is not empty; name a folder that is absent or empty"),
        (["RESNET", "--to", "INSIDE"], "among its own files; choose another place"),
        (["RESNET", "--format", "keras", "--to", "OUT"], "--format: 'keras' is none; use one of torchvision, timm, "),
        (
            ["RESNET", "--format", "open_clip", "--to", "OUT"],
            "--format: encoder 'resnet18' has no form for open_clip; use ",
        ),
        (
            ["SMALL", "--format", "timm", "--to", "OUT"],
            "--format: timm has no resnet18 with stem: small, width: 64; use ",
        ),
        (["0123", "--to", "OUT"], "has no run 0123 that has ended; see the column run_id of its runs"),
    ],
)
def test_a_mistake_is_one_sentence_and_nothing_is_written(trained, tmp_path, arguments, sentence):
    store, runs = trained
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").write_text("")
    names = {"RESNET": runs[RESNET], "SMALL": runs[EncoderSpec("resnet18", "small")], "OUT": tmp_path / "out"}
    names |= {"FULL": tmp_path / "full", "INSIDE": store.root / "export"}
    ran = export(store.root, *(names.get(one, one) for one in arguments))
    assert ran.exit_code == 2 and sentence in ran.stderr and ran.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists() and not (store.root / "export").exists()


def test_a_damaged_export_is_named(trained, tmp_path):
    store, runs = trained
    export(store.root, runs[RESNET], "--to", tmp_path / "out")
    (tmp_path / "out/model.safetensors").write_bytes(b"half")
    with pytest.raises(UserError, match=r"out is no export that can be read \(SafetensorError"):
        load_encoder(tmp_path / "out")
    with pytest.raises(UserError, match="is no exported network; give the run_id"):
        load_encoder(store.root)


def test_a_sweep_becomes_three_parquet_files_that_analysis_reads(tmp_path, digits_spec):
    store = Store(tmp_path / "small")
    for spec in (digits_spec(), digits_spec(seed=1, optimizer=OptimizerSpec(learning_rate=0.003))):
        to_end(RunExecutor(spec, store, "small", ExecutorSettings(keep="none")))
    store.write_run(store.read_run(min(store.statuses())) | {"run_id": "f" * 16, "status": "failed", "error": "x"})
    ran = export(store.root, "--tables", "--to", tmp_path / "out")
    assert ran.exit_code == 0, ran.output
    files = sorted(file.relative_to(tmp_path / "out").as_posix() for file in (tmp_path / "out").rglob("*.*"))
    assert [file.split("-")[0] for file in files] == [
        "README.md",
        "packed/measures",
        "packed/runs",
        "packed/trajectories",
    ]
    before, after = open_results(store.root), open_results(tmp_path / "out")
    for read in ("runs", "trajectories", "measures"):
        old, new = (getattr(results, read)().drop(columns="sweep") for results in (before, after))
        pd.testing.assert_frame_equal(new, old, check_exact=True)
    card = DatasetCard.load(tmp_path / "out/README.md")
    assert "| seed | 0, 1 |" in card.text and "| optimizer.learning_rate | 0.001, 0.003 |" in card.text
    assert {one["config_name"]: one["data_files"] for one in card.data.configs}.keys() == {
        "runs",
        "trajectories",
        "measures",
    }
    for one in card.data.configs:
        assert len(pd.read_parquet(tmp_path / "out" / one["data_files"])) == len(
            before.sql(f"SELECT 1 FROM {one['config_name']}")
        )
