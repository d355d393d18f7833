"""A thin, typed way to state a mixed-integer program and have HiGHS solve it, deterministically on one thread."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

import highspy
import numpy as np
from numpy.typing import NDArray

INFINITY = float("inf")


@dataclass(frozen=True, kw_only=True)
class Solution:
    """Values by column, objective and proven bound; `optimal` False where the time limit ended it.

    impossible: there is no feasible point, which no time would change.
    """

    values: NDArray[np.float64]
    objective: float
    bound: float
    optimal: bool
    impossible: bool = False

    @property
    def found(self) -> bool:
        """Whether there is a feasible point at all."""
        return len(self.values) > 0

    @property
    def gap(self) -> float:
        """(objective − bound) / |objective|, 0 where both are nil."""
        return max(self.objective - self.bound, 0.0) / max(abs(self.objective), 1e-9)


@dataclass
class Program:
    """Columns and rows as they are added; minimised."""

    cost: list[float] = field(default_factory=list)
    low: list[float] = field(default_factory=list)
    high: list[float] = field(default_factory=list)
    integer: list[bool] = field(default_factory=list)
    row_low: list[float] = field(default_factory=list)
    row_high: list[float] = field(default_factory=list)
    starts: list[int] = field(default_factory=lambda: [0])
    index: list[int] = field(default_factory=list)
    value: list[float] = field(default_factory=list)

    def column(self, cost: float = 0.0, low: float = 0.0, high: float = INFINITY, integer: bool = False) -> int:
        """Add a variable and return its index."""
        self.cost.append(cost)
        self.low.append(low)
        self.high.append(high)
        self.integer.append(integer)
        return len(self.cost) - 1

    def row(
        self, columns: Sequence[int], values: Sequence[float], low: float = -INFINITY, high: float = INFINITY
    ) -> None:
        """Add low ≤ Σ values·columns ≤ high."""
        self.row_low.append(low)
        self.row_high.append(high)
        self.index.extend(columns)
        self.value.extend(values)
        self.starts.append(len(self.index))

    def solve(
        self,
        *,
        gap: float,
        time_limit_s: float,
        start: NDArray[np.float64] | None = None,
    ) -> Solution:
        """Minimise to a relative gap.

        Args:
            gap: relative distance to the bound at which to stop.
            time_limit_s: wall-clock limit; what was found by then is returned.
            start: a feasible point of all columns (warm start).
        """
        found = self._run(gap, time_limit_s, start)
        if start is not None and found.found:
            # HiGHS 1.16 may report a wrong optimum when presolve empties a model that was given a start: check it.
            true = float(np.array(self.cost) @ found.values)
            if abs(true - found.objective) > 1e-6 * max(abs(true), 1e-9):
                return self._run(gap, time_limit_s, None)
        return found

    def _run(self, gap: float, time_limit_s: float, start: NDArray[np.float64] | None) -> Solution:
        highs, unit = _solver(mip_rel_gap=gap, time_limit=time_limit_s), self.unit()
        highs.passModel(self.lp(unit))
        if start is not None and any(self.integer):
            point = highspy.HighsSolution()
            point.col_value = start.tolist()
            highs.setSolution(point)
        highs.run()
        info = highs.getInfo()
        feasible = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
        bound = info.mip_dual_bound if any(self.integer) else info.objective_function_value
        return Solution(
            values=np.asarray(highs.getSolution().col_value) if feasible else np.zeros(0),
            objective=float(info.objective_function_value) * unit if feasible else INFINITY,
            bound=float(bound) * unit,
            optimal=highs.getModelStatus() == highspy.HighsModelStatus.kOptimal,
            impossible=highs.getModelStatus() == highspy.HighsModelStatus.kInfeasible,
        )

    def unit(self) -> float:
        """Prices per step are tiny against the solver's tolerances: it solves in units of the median cost."""
        positive = [c for c in self.cost if c > 0]
        return float(np.median(positive)) if positive else 1.0

    def relaxed(self, time_limit_s: float) -> Relaxation:
        """The program without whole numbers, to be solved for many fixed columns in turn."""
        return Relaxation(self, time_limit_s)

    def lp(self, unit: float) -> highspy.HighsLp:
        """The solver's model, costs in `unit`."""
        lp = highspy.HighsLp()
        lp.num_col_, lp.num_row_ = len(self.cost), len(self.row_low)
        lp.col_cost_ = np.array(self.cost) / unit
        lp.col_lower_, lp.col_upper_ = np.array(self.low), np.array(self.high)
        lp.row_lower_, lp.row_upper_ = np.array(self.row_low), np.array(self.row_high)
        lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        lp.a_matrix_.start_ = np.array(self.starts, dtype=np.int32)
        lp.a_matrix_.index_ = np.array(self.index, dtype=np.int32)
        lp.a_matrix_.value_ = np.array(self.value)
        kinds = highspy.HighsVarType
        lp.integrality_ = [kinds.kInteger if whole else kinds.kContinuous for whole in self.integer]
        return lp


class Relaxation:
    """A program without whole numbers that stays in the solver: each solution starts from the basis of the one before.

    Other fixed columns leave that basis dual feasible, so that a few dual simplex steps do in place of a solution from
    nothing.
    """

    def __init__(self, program: Program, time_limit_s: float) -> None:
        self.low, self.high = np.array(program.low), np.array(program.high)
        self.unit = program.unit()
        self.highs, self.time_limit_s = _solver(), time_limit_s
        lp = program.lp(self.unit)
        lp.integrality_ = []
        self.highs.passModel(lp)

    def solve(self, fixed: dict[int, float]) -> Solution:
        """Minimise with columns held at a value; all others have their own bounds."""
        low, high = self.low.copy(), self.high.copy()
        for column, value in fixed.items():
            low[column] = high[column] = value
        # The solver's clock runs on over all its runs.
        self.highs.setOptionValue("time_limit", self.highs.getRunTime() + self.time_limit_s)
        self.highs.changeColsBounds(len(low), np.arange(len(low), dtype=np.int32), low, high)
        self.highs.run()
        info = self.highs.getInfo()
        optimal = self.highs.getModelStatus() == highspy.HighsModelStatus.kOptimal
        objective = float(info.objective_function_value) * self.unit if optimal else INFINITY
        return Solution(
            values=np.asarray(self.highs.getSolution().col_value) if optimal else np.zeros(0),
            objective=objective,
            bound=objective,
            optimal=optimal,
        )


def _solver(**settings: float) -> highspy.Highs:
    """A silent solver on one thread with the same seed every time."""
    highs = _silent_solver()
    for option, setting in (("output_flag", False), ("threads", 1), ("random_seed", 0), *settings.items()):
        highs.setOptionValue(option, setting)
    return highs


def _silent_solver() -> highspy.Highs:
    """A solver that says nothing: HiGHS 1.16 prints its banner when it is made, before it can be told not to.

    A command's standard output may be one JSON document, so the C library's stream is led away for that moment.
    """
    sys.stdout.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        made = highspy.Highs()
        ctypes.CDLL(None).fflush(None)
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)
    return made
