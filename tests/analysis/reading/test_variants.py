"""Labels of what differs among specs."""

from analysis.reading.variants import variants


def test_variants_name_what_differs():
    base = {"objective": {"name": "mmcr"}, "P": 1, "optimizer": {"learning_rate": 0.001}, "dataset": {"root": "/a"}}
    other = base | {"P": 2, "optimizer": {"learning_rate": 0.003}, "dataset": {"root": "/b"}}
    assert variants([base, base | {"P": 4}]) == ["mmcr", "mmcr"]
    assert variants([base, other]) == ["mmcr, optimizer.learning_rate=0.001", "mmcr, optimizer.learning_rate=0.003"]


def test_what_was_measured_makes_no_variant():
    base = {"objective": {"name": "mmcr"}, "evaluate": {"probe": "knn"}}
    assert variants([base, base | {"evaluate": {"probe": "knn", "measures": ["linear"]}}]) == ["mmcr", "mmcr"]


def test_options_of_other_objectives_are_no_difference():
    mmcr = {"objective": {"name": "mmcr", "local_weight": 0.0}}
    cold, warm = ({"objective": {"name": "simclr", "temperature": t}} for t in (0.1, 0.5))
    assert variants([mmcr, cold]) == ["mmcr", "simclr"]
    swept = ["mmcr", "simclr, objective.temperature=0.1", "simclr, objective.temperature=0.5"]
    assert variants([mmcr, cold, warm]) == swept
