"""Networks that share a device as Ray's fractional GPUs do: a process for each, which take turns on it."""

from __future__ import annotations

import multiprocessing
from multiprocessing.connection import Connection
from typing import Any

import torch
from torch import Tensor

from benchmarks.lane_work import Setting
from benchmarks.techniques import Training, eager, graph

ANSWER_S = 120.0  # within which a process starts, or trains an epoch


class Processes:
    """A process per lane; all train an epoch when they are told to, and the epoch is over when the last has."""

    def __init__(self, setting: Setting, *, as_graph: bool) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipes: list[Connection] = []
        self.workers: list[Any] = []
        for lane in range(setting.lanes):
            ours, theirs = context.Pipe()
            worker = context.Process(target=_work, args=(setting, lane, as_graph, theirs), daemon=True)
            worker.start()
            theirs.close()
            self.pipes.append(ours)
            self.workers.append(worker)
        try:
            self._answers()
        except RuntimeError:
            self.close()
            raise

    def epoch(self, number: int) -> None:
        """Train epoch `number` in every process."""
        self._ask(number)

    def weights(self) -> Tensor:
        """Their weights `[lanes, P]`, on the CPU."""
        return torch.cat([torch.from_numpy(row) for row in self._ask("weights")])

    def close(self) -> None:
        """End all processes."""
        for pipe in self.pipes:
            pipe.close()
        for worker in self.workers:
            worker.terminate()
            worker.join()

    def _ask(self, wish: object) -> list[Any]:
        for pipe in self.pipes:
            pipe.send(wish)
        return self._answers()

    def _answers(self) -> list[Any]:
        answers = []
        for lane, pipe in enumerate(self.pipes):
            try:
                answer = pipe.recv() if pipe.poll(ANSWER_S) else RuntimeError(f"no answer within {ANSWER_S:g} s")
            except EOFError:
                answer = RuntimeError("it ended without a word")
            if isinstance(answer, Exception):
                raise RuntimeError(f"the process of lane {lane}: {answer}")
            answers.append(answer)
        return answers


def _work(setting: Setting, lane: int, as_graph: bool, pipe: Connection) -> None:
    torch.set_num_threads(1)
    try:
        training = graph(setting, lane) if as_graph else eager(setting, lane, channels_last=True)
        answer: object = None
        while True:
            if setting.device == "cuda":
                torch.cuda.synchronize()
            pipe.send(answer)
            wish = pipe.recv()
            answer = training.weights().detach().cpu().numpy() if wish == "weights" else training.epoch(wish)
    except EOFError:  # nobody asks any more
        return
    except Exception as problem:
        pipe.send(RuntimeError(str(problem)))


def processes(setting: Setting, *, as_graph: bool = False) -> Training:
    """A network in each of as many processes, channels last, step by step or as a graph each."""
    shared = Processes(setting, as_graph=as_graph)
    return Training(shared.epoch, shared.weights, shared.close)
