"""Cells that share a GPU."""

from sweeps.planning.cuda_mps import mps_runs, remark


def test_cells_that_share_a_gpu_say_whether_they_run_side_by_side(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_MPS_PIPE_DIRECTORY", str(tmp_path))
    assert not mps_runs()
    assert remark(1) == ""
    assert remark(4).startswith("4 cells share a GPU by time slices, which gains little: CUDA MPS does not run here")
    (tmp_path / "control").touch()
    assert mps_runs()
    assert remark(4) == "4 cells share a GPU under CUDA MPS."
