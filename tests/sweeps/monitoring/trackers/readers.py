"""What trackers have of a run, read back from their own files."""

import json
import struct

METRICS = (
    *("images", "flops", "percent_error", "nuclear_norm", "loss", "reconstruction", "uniformity"),
    "learning_rate",
)


def of_tensorboard(root, run_id):
    """(steps of the percent error as TensorBoard shows them, their values): a restart purges what it replaces."""
    from tensorboardX.proto.event_pb2 import Event

    shown = {}
    for file in sorted((root / "tensorboard" / run_id).glob("events*"), key=lambda file: file.name):
        content, at = file.read_bytes(), 0
        while at + 12 <= len(content):
            (length,) = struct.unpack_from("<Q", content, at)
            event = Event.FromString(content[at + 12 : at + 12 + length])
            at += 16 + length
            if event.HasField("session_log"):
                shown = {key: value for key, value in shown.items() if key[1] < event.step}
            for value in event.summary.value:
                assert (value.tag, event.step) not in shown
                shown[value.tag, event.step] = value.simple_value
    assert {name for name, _ in shown} == set(METRICS)
    errors = {step: value for (name, step), value in shown.items() if name == "percent_error"}
    return list(errors), list(errors.values())


def of_mlflow(root, name, run_id):
    """(steps of the percent error, their values, the run), which is the only one of its tag."""
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{root}/mlflow.db")
    experiment = client.get_experiment_by_name(name).experiment_id
    (run,) = client.search_runs([experiment], filter_string=f"tags.`mmcr.run_id` = '{run_id}'")
    history = client.get_metric_history(run.info.run_id, "percent_error")
    assert len(client.get_metric_history(run.info.run_id, "flops")) == len(history)
    return [metric.step for metric in history], [metric.value for metric in history], run


def of_wandb(root, run_id):
    """(steps, percent errors, the messages of all its offline files in order)."""
    from wandb.proto.wandb_internal_pb2 import Record

    from sweeps.monitoring.trackers.wandb_files import records

    files = sorted(root.glob(f"wandb/offline-run-*-{run_id}*/run-{run_id}.wandb"))
    messages = [Record.FromString(part) for file in files for part in records(file.read_bytes())]
    rows = [message.history for message in messages if message.WhichOneof("record_type") == "history"]
    values = [{item.nested_key[0]: json.loads(item.value_json) for item in row.item} for row in rows]
    return [row.step.num for row in rows], [row["percent_error"] for row in values], messages
