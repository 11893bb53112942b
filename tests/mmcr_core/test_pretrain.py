"""One cell from the command line, without Ray or a store."""

import json
import os
import subprocess
import sys

import pytest

from mmcr_core import pretrain
from mmcr_core.objectives import objective_spec
from mmcr_core.spec import EncoderSpec
from mmcr_core.training import CaptureFailed, Pretraining


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "mmcr_core.pretrain", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_one_cell_runs_from_the_command_line_and_is_measured_at_the_fractions_asked_for():
    asked = ("--measures", "knn", "alignment", "--at", "0", "0.5", "1", "--labels-per-class", "5")
    ran = command(
        "--P", "16", "--D", "8", "--K", "2", "--dataset", "digits", "--steps", "20", "--device", "cpu", *asked
    )
    assert ran.returncode == 0, ran.stderr
    result = json.loads(ran.stdout)
    assert 0 < result["percent_error"] < 1
    assert result["steps"] == 20
    assert result["knn_accuracy"] > 0.5
    assert "alarm" not in result
    assert set(result["earlier"]) == {"0", "10"}
    untrained, middle = result["earlier"]["0"], result["earlier"]["10"]
    assert "knn_gain" not in untrained and "knn_gain" in middle
    gained = result["knn_accuracy of 5 labels a class"] - untrained["knn_accuracy of 5 labels a class"]
    assert result["knn_gain of 5 labels a class"] == pytest.approx(gained)
    assert len({each["alignment"] for each in (untrained, middle, result)}) == 3


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--P", "2000", "--dataset", "digits", "--steps", "2"], "exceeds the 1437 readable"),
        (["--P", "16", "--dataset", "stl10", "--root", "/nowhere", "--steps", "2"], "curl -L"),
        (["--P", "16", "--dataset", "parquet", "--steps", "2"], "path: is missing"),
        (["--P", "16", "--dataset", "digits"], "--epochs --steps --images"),
    ],
)
def test_bad_input_to_the_command_is_one_line_and_exit_code_2(arguments, says):
    ran = command("--D", "8", "--K", "2", *arguments)
    assert ran.returncode == 2
    assert says in ran.stderr
    assert "Traceback" not in ran.stderr


def test_encoder_width_and_optimiser_are_options_of_the_command():
    given = "--P 16 --D 8 --K 2 --dataset cifar10 --steps 2 --encoder resnet50 --stem small --width 32 --optimizer lars"
    spec = pretrain._spec(pretrain._parser().parse_args(given.split()))
    assert spec.encoder == EncoderSpec("resnet50", "small", 32)
    assert spec.optimizer.name == "lars"


@pytest.mark.parametrize("named", [(), ("--objective", "byol")])
def test_an_objective_can_be_named(named):
    cell = ("--P", "16", "--D", "8", "--K", "2", "--dataset", "digits", "--steps", "2")
    spec = pretrain._spec(pretrain._parser().parse_args([*cell, *named]))
    assert spec.objective == objective_spec(named[1] if named else "mmcr")


def test_after_a_failed_capture_it_becomes_a_fresh_process_without_graphs(monkeypatch, capsys):
    asked = ["--P", "16", "--D", "8", "--K", "2", "--dataset", "digits", "--steps", "5", "--device", "cpu"]

    class Spoilt(Pretraining):
        def __init__(self, spec, device, *, graphs):
            super().__init__(spec, device)
            self.spoilt = graphs

        def train_step(self):
            if self.spoilt and self.step == 3:
                raise CaptureFailed("the step cannot be captured as a CUDA graph (no)")
            super().train_step()

    class Became(BaseException):
        """In the place of this process."""

    def execve(path, command, environment):
        raise Became(command)

    monkeypatch.setattr(pretrain, "Pretraining", Spoilt)
    monkeypatch.setattr(os, "execve", execve)
    with pytest.raises(Became) as became:
        pretrain.main(asked)
    (command,) = became.value.args
    assert command == [sys.executable, "-m", "mmcr_core.pretrain", *asked, "--no-graphs"]
    assert "(no); it is trained in a fresh process without graphs" in capsys.readouterr().err
    pretrain.main(command[3:])
    assert json.loads(capsys.readouterr().out)["steps"] == 5
