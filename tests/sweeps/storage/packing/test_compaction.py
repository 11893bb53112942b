"""Packing finished runs: nothing is lost, nothing is seen twice, and what is packed goes on as before."""

import shutil
from dataclasses import replace
from datetime import UTC, datetime

import pandas as pd
import pytest

from analysis import open_results
from mmcr_core.config.run import EvaluateSpec
from mmcr_core.config.run_id import run_id
from sweeps.cli.errors import UserError
from sweeps.execution.adaptive.history import History
from sweeps.execution.backfill import measure_finished
from sweeps.execution.run_executor import RunExecutor
from sweeps.monitoring.sweep_status import survey
from sweeps.storage import sweep_store
from sweeps.storage.cross_sweep_reuse import import_finished_runs
from sweeps.storage.decisions import ENDED, StoredDecision, decided_rungs, read_decision, write_decision
from sweeps.storage.fsck import examine
from sweeps.storage.packing import compaction, packed
from sweeps.storage.packing.compaction import compact
from sweeps.storage.sweep_store import Store
from tests.conftest import invoke
from tests.forks import FORKS
from tests.synthetic import spec, write_run, write_sweep

STEPS = 700  # in two chunks


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    store = write_sweep(tmp_path_factory.mktemp("packing") / "s", sizes=(64, 128), views=(2,), steps=STEPS)
    for run in store.statuses():
        for step in (0, STEPS):
            store.write_measures(run, step, [measure("knn_accuracy", 0.5 + step / 10_000)])
    return store


@pytest.fixture
def store(written, tmp_path):
    shutil.copytree(written.root, tmp_path / "s")
    return Store(tmp_path / "s")


def measure(name, value):
    return {"name": name, "subject": "", "value": value, "images": 64, "flops": 1.0, "count": 10}


def tables(root):
    results = open_results(root)
    return [results.runs(), results.trajectories(), results.measures()]


def same(found, expected):
    for one, other in zip(found, expected, strict=True):
        pd.testing.assert_frame_equal(one, other, check_exact=True)


def small_files(store):
    return [file for kind in ("runs", "trajectories", "measures") for file in (store.root / kind).rglob("*.parquet")]


def problems(store, repair=True):
    return [finding.problem for finding in examine(store, repair)]


def test_a_packed_store_reads_as_before_from_a_file_a_table(store):
    before, files = tables(store.root), len(small_files(store))
    rows, status = store.rows(), survey(store.root)
    ran = invoke("sweeps.store", "compact", store.root)
    assert ran.stdout == f"4 runs packed, {files} files fewer\n"
    assert [file.name for file in small_files(store)] == [packed.MARKER]
    assert sorted(file.name.split("-")[0] for file in (store.root / "packed").iterdir()) == sorted(packed.SCHEMAS)
    same(tables(store.root), before)
    assert store.rows() == rows and survey(store.root) == status
    run = rows[0]["run_id"]
    assert store.read_run(run) == rows[0] and store.steps_stored(run) == STEPS == len(store.read_trajectory(run))
    assert (
        store.measured_steps(run) == [0, STEPS] and store.read_measures(run, STEPS)[0]["value"] == 0.5 + STEPS / 10_000
    )
    assert problems(store) == []
    assert compact(store) == compaction.Compacted(0, 0, ())


def test_versions_without_packed_files_refuse_the_store(store):
    compact(store)
    with pytest.raises(UserError, match="schema_version 2; this code reads up to 1: update it"):
        sweep_store.read_run_row(store.root / "runs" / packed.MARKER)


class Killed(BaseException):
    pass


def test_killed_at_any_point_it_loses_nothing_and_is_finished_by_the_next(store, monkeypatch, tmp_path):
    for run in list(store.statuses())[2:]:
        (store.root / "runs" / f"{run}.parquet").unlink()
        store.drop_trajectory(run)
    before, left = tables(store.root), [0]

    def dying(effect):
        def one(*arguments):
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            return effect(*arguments)

        return one

    def one_by_one(files):
        for file in files:
            remove([file])

    remove = dying(compaction.remove_files)
    monkeypatch.setattr(compaction, "write_atomically", dying(compaction.write_atomically))
    monkeypatch.setattr(compaction, "remove_files", one_by_one)
    monkeypatch.setattr(compaction, "STEPS_TOGETHER", STEPS)  # a packed file for each run
    for effects in range(60):
        copy = Store(tmp_path / f"{effects}" / "s")
        shutil.copytree(store.root, copy.root)
        left[0] = effects
        try:
            compact(copy)
        except Killed:
            same(tables(copy.root), before)
            left[0] = 1000
            compact(copy)
        else:
            break
        same(tables(copy.root), before)
        assert len(small_files(copy)) == 1 and problems(copy) == []
    assert effects > 12


def read_until(root, stop, wrong, begun):
    while not stop.is_set():
        counts = open_results(root).sql("SELECT count(*) AS n, count(DISTINCT (run_id, step)) AS m FROM trajectories")
        rows = open_results(root).sql("SELECT count(*) AS n, count(DISTINCT run_id) AS m FROM runs")
        found = [*counts.iloc[0].tolist(), *rows.iloc[0].tolist()]
        if found != [4 * STEPS, 4 * STEPS, 4, 4]:
            wrong.put(found)
        begun.set()


def test_readers_see_each_run_and_step_once_while_it_is_packed(store, tmp_path):
    stop, wrong, begun = FORKS.Event(), FORKS.Queue(), FORKS.Event()
    reader = FORKS.Process(target=read_until, args=(store.root, stop, wrong, begun))
    reader.start()
    assert begun.wait(60)
    saved = {file: file.read_bytes() for file in small_files(store)}
    for _ in range(4):
        compact(store)
        for file, content in sorted(saved.items(), reverse=True):  # undone, a run's first chunk last: with it they win
            file.parent.mkdir(exist_ok=True)
            temporary = file.with_name(f".{file.name}")
            temporary.write_bytes(content)
            temporary.rename(file)
    stop.set()
    reader.join(60)
    assert reader.exitcode == 0
    assert wrong.empty()


def test_what_is_written_later_wins_and_is_packed_with_the_rest(store):
    compact(store)
    run, other = list(store.statuses())[:2]
    store.write_run(store.read_run(run) | {"probe_accuracy": 0.75})
    store.write_measures(run, STEPS, [measure("linear_accuracy", 0.9)])
    write_run(store, spec(256, 64, 2), store.read_trajectory(other)["percent_error"].to_numpy())
    expected = tables(store.root)
    assert expected[0].set_index("run_id")["probe_accuracy"][run] == 0.75 and len(expected[0]) == 5
    assert [row["name"] for row in store.read_measures(run, STEPS)] == ["knn_accuracy", "linear_accuracy"]
    assert compact(store).runs == 2
    same(tables(store.root), expected)
    assert len(small_files(store)) == 1 and len(list((store.root / "packed").iterdir())) == 3


def test_a_run_that_somebody_writes_or_that_is_not_whole_is_left(store):
    held, broken, *_ = store.statuses()
    lease = store.lease(held, "launch")
    lease.take()
    next((store.root / "trajectories" / broken).iterdir()).write_bytes(b"junk")
    done = compact(store)
    lease.release()
    assert done.runs == 2 and done.left == tuple(sorted((held, broken)))
    assert {file.stem for file in (store.root / "runs").glob("*.parquet")} == {held, broken, "packed"}


def test_two_do_not_pack_at_once(store):
    with compaction.packing(store), pytest.raises(UserError, match="is being compacted by process"):
        compact(store)


def test_a_packed_run_is_measured_again_and_reused_by_another_sweep(tmp_path, digits_spec):
    first, second = Store(tmp_path / "first"), Store(tmp_path / "second")
    run = digits_spec(evaluate=EvaluateSpec(2, "none"))
    trial = RunExecutor(run, first, "first")
    while trial.advance(60).status != "finished":
        pass
    key, trajectory = run_id(run), first.read_trajectory(run_id(run))
    compact(first)
    asked = digits_spec(evaluate=EvaluateSpec(2, "knn"))
    assert measure_finished(first, asked, "cpu") == (None, [])
    assert first.read_run(key)["probe_accuracy"] is not None and problems(first) == []
    compact(first)
    assert import_finished_runs(second, [key]) == {key: "first"}
    pd.testing.assert_frame_equal(second.read_trajectory(key), trajectory, check_exact=True)
    assert second.read_run(key) == first.read_run(key) | {"sweep": "second"}
    assert second.read_measures(key, 12) == first.read_measures(key, 12)


def damaged(store, table):
    (file,) = (store.root / "packed").glob(f"{table}-*.parquet")
    content = bytearray(file.read_bytes())
    middle = 200 if table == "trajectories" else len(content) // 2  # the first run's; of each row's columns some
    content[4 if table == "runs" else middle : middle + 60] = bytes(middle + 56 if table == "runs" else 60)
    file.write_bytes(content)
    return file


def test_a_damaged_packed_file_is_refused_by_launches_and_named_by_analysis(store, capsys):
    compact(store)
    file = damaged(store, "runs")
    with pytest.raises(UserError, match="is damaged; save what can be read of its runs"):
        store.statuses()
    file.write_bytes(b"PAR1")
    packed._INDEX.clear()
    with pytest.raises(UserError, match="is damaged; save what can be read of its runs"):
        store.statuses()
    ran = invoke("query", store.root, "SELECT count(*) FROM runs")
    assert ran.returncode == 2 and f"{file} is damaged and left out" in ran.stderr


def test_the_whole_runs_of_a_damaged_packed_file_are_saved(store, monkeypatch):
    monkeypatch.setattr(packed, "GROUP_ROWS", STEPS)  # a run a row group
    before = store.rows()
    compact(store)
    file = damaged(store, "trajectories")
    assert "damaged runs: 1 of 4" in problems(store, repair=False)
    found = problems(store)
    assert len(found) == 2 and "packed row says 700 steps, the trajectory has 0" in found[1]
    assert (store.root / "damaged/packed" / file.name).exists()
    assert problems(store) == []
    lost = {row["run_id"] for row in before} - set(store.statuses())
    assert len(lost) == 1 and len(open_results(store.root).trajectories()) == 3 * STEPS
    (again,) = lost
    row = next(row for row in before if row["run_id"] == again)
    curve = store.read_trajectory(next(iter(store.statuses())))["percent_error"].to_numpy()
    write_run(store, spec(row["P"], row["D"], 2, steps=STEPS), curve)
    assert again in store.statuses()
    assert store.measured_steps(again) == []


def decided(run, rung, ended=True):
    now = datetime.now(UTC)
    known = {"measured": 0.3, "ended_at": now} if ended else {}
    return StoredDecision(
        run, rung, round(rung * STEPS), 0, "percent_error", "log", "l", "c", now, 1, -1, 0.1, 0.3, **known
    )


def test_decisions_of_finished_runs_become_one_file(store):
    first, second, *_ = runs = sorted(store.statuses())
    for run in (first, second):
        for rung in (0.25, 1.0):
            write_decision(store.root, decided(run, rung))
    write_decision(store.root, decided(first, 0.5, ended=False))
    before = {key: read_decision(store.root, *key) for key in decided_rungs(store.root)}
    compact(store)
    names = sorted(file.name for file in (store.root / "decisions").iterdir())
    assert names == sorted([f"{first}-0.5.parquet", ENDED])
    assert {key: read_decision(store.root, *key) for key in decided_rungs(store.root)} == before
    assert History(store, runs).decisions == before and problems(store) == []

    again = replace(before[first, 0.25], number=9)  # a run that was retried is decided anew
    write_decision(store.root, again)
    assert read_decision(store.root, first, 0.25) == again == History(store, runs).decisions[first, 0.25]
    compact(store)
    assert History(store, runs).decisions == before | {(first, 0.25): again}

    (store.root / "decisions" / ENDED).write_bytes(b"no")
    assert set(decided_rungs(store.root)) == {(first, 0.5)} and problems(store) == ["decision cannot be read"]
