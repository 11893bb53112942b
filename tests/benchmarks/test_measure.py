"""Timing of alternatives, with a clock and a GPU that are played: neither waits for anything."""

import pytest

from tests.benchmarks import measure


class PlayedClock:
    """`host`: seconds on the host's clock; `busy`: until when the GPU has work. A call takes host time to launch, and
    device time after whatever was launched before."""

    def __init__(self, monkeypatch):
        self.host = self.busy = 0.0
        self.calls = []
        clock = self

        class Event:
            def __init__(self, enable_timing):
                assert enable_timing

            def record(self, stream):
                self.at = clock.busy = max(clock.busy, clock.host)

            def synchronize(self):
                clock.host = max(clock.host, self.at)

            def elapsed_time(self, end):
                return 1000 * (end.at - self.at)

        monkeypatch.setattr(measure.time, "perf_counter", lambda: self.host)
        monkeypatch.setattr(measure.torch.cuda, "Event", Event)
        monkeypatch.setattr(measure.torch.cuda, "current_stream", lambda device: device)
        monkeypatch.setattr(measure.torch.cuda, "current_device", lambda: 0)
        monkeypatch.setattr(measure.torch.cuda, "synchronize", self.synchronize)

    def synchronize(self):
        self.host = max(self.host, self.busy)

    def work(self, name, host, device):
        def call():
            self.calls.append(name)
            self.host += host
            self.busy = max(self.busy, self.host) + device

        return call


@pytest.fixture
def clock(monkeypatch):
    return PlayedClock(monkeypatch)


@pytest.mark.parametrize("launch", [0.0005, 0.0039])
def test_on_a_gpu_host_work_that_the_device_hides_does_not_count(clock, monkeypatch, launch):
    monkeypatch.setattr(measure, "DEVICE", "cuda")
    taken = measure.seconds_in_turn({"step": clock.work("step", launch, 0.004)})
    assert taken["step"] == pytest.approx(0.004)


def test_on_a_gpu_host_work_that_the_device_waits_for_counts(clock, monkeypatch):
    monkeypatch.setattr(measure, "DEVICE", "cuda")
    taken = measure.seconds_in_turn({"step": clock.work("step", 0.010, 0.002)})
    assert taken["step"] == pytest.approx(0.010)


def test_on_a_gpu_stretches_are_long_and_taken_in_turn(clock, monkeypatch):
    monkeypatch.setattr(measure, "DEVICE", "cuda")
    measure.seconds_in_turn({"a": clock.work("a", 0, 0.001), "b": clock.work("b", 0, 0.5)}, seconds=0)
    warm_up, rounds = clock.calls[:14], clock.calls[14:]
    assert warm_up == ["a"] * 7 + ["b"] * 7
    assert rounds == (["a"] * 51 + ["b"] * 6) * 3


def test_on_a_cpu_calls_are_timed_one_by_one_in_turn(clock, monkeypatch):
    monkeypatch.setattr(measure, "DEVICE", "cpu")
    taken = measure.seconds_in_turn({"a": clock.work("a", 0.25, 0), "b": clock.work("b", 0.5, 0)}, seconds=3.0)
    assert taken == {"a": 0.25, "b": 0.5}
    assert clock.calls == ["a", "b"] * 5
