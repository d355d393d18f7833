"""The tuning agent against the calibrated rule, random search with the same budget, and the fixed default.

    python -m benchmarks.tuner --data FOLDER --cache FOLDER [--seeds 5] [--json OUT] [--write-policy]

- All contenders replay the same backtests (`benchmarks.tuner.backtests`), segment by segment: a choice earns its reward, and
  nothing else is seen.
- The first table is of series of the tune half, each served by an agent and a rule that never saw its source; the second of
  the unseen half.
- Printed is the log of the loss at the sizing quantiles (computing included) against the default: below zero is better.
  Intervals resample whole sources.
- A class is switched on if in both tables, on average over the seeds, the agent beats the rule and random search, its interval
  against the default lies below zero, and there are three sources. A rule is used if its intervals do; else the class keeps
  the default.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.tuner.backtests import TunerReplay, replays
from forecaster.models.lstm import Training
from forecaster.tuner import ACTIONS, ClassMode, Tuner, Weights, features, fit_offline
from forecaster.tuner.policy import FORMAT

Floats = NDArray[np.float64]
POLICY = Path(__file__).parents[2] / "forecaster" / "tuner" / "policy.json"
CONTENDERS = ("rule", "random search", "agent (offline)", "agent")
#: Decisions of one series are not independent: together they weigh as much as this many.
EFFECTIVE = 4.0
#: Sources that a class must have in each table: an interval over two sources says nothing.
FEWEST_SOURCES = 3
#: Rewards of one decision differ from another's by noise; an advantage beyond this teaches no more.
CLIP = 0.5


@dataclass(frozen=True, kw_only=True)
class TunerOutcome:
    """Mean log loss against the default of one series at one horizon, per contender and seed."""

    replay: TunerReplay
    losses: Mapping[str, tuple[float, ...]]


def learn(known: Sequence[TunerReplay]) -> Weights:
    """The agent's offline weights from all actions of the given replays."""
    states: list[Floats] = []
    advantages: list[Floats] = []
    weights: list[float] = []
    for one in known:
        for row, reward in zip(one.states, one.rewards, strict=True):
            # The default's state, and one other in turn: the agent will also decide from where it has been.
            for state in (row[0], row[1 + len(states) % (len(row) - 1)]):
                states.append(features(state))
                advantages.append(np.clip(reward - reward[0], -CLIP, CLIP))
                weights.append(EFFECTIVE / (2 * len(one.states)))
    return fit_offline(np.array(states), np.array(advantages), np.array(weights))


def rules(known: Sequence[TunerReplay]) -> dict[str, int]:
    """Per class the action that was best on average over the given replays: the calibrated rule."""
    chosen = {}
    for group in sorted({r.group for r in known}):
        mean = np.mean([(r.rewards - r.rewards[:, :1]).mean(axis=0) for r in known if r.group == group], axis=0)
        chosen[group] = int(np.argmax(mean))
    return chosen


def agent_score(one: TunerReplay, weights: Weights, rng: np.random.Generator | None) -> float:
    """Mean log loss against the default of the agent on one replay; with `rng` it explores and learns as it goes."""
    groups = {s.group for row in one.states for s in row}
    tuner = Tuner(weights, {group: ClassMode(mode="agent") for group in groups})
    names = [a.name for a in ACTIONS]
    before, total = 0, 0.0
    for row, reward in zip(one.states, one.rewards, strict=True):
        state = row[before]
        settings = tuner.suggest(state, rng=rng)
        before = names.index(settings.name)
        total += reward[0] - reward[before]
        if rng is not None:
            tuner.observe(state, settings, float(reward[before]))
    return total / len(one.rewards)


def random_search_score(one: TunerReplay, rng: np.random.Generator) -> float:
    """As many evaluations as the agent has, one a segment: random actions for the first half, then the best of them."""
    count = len(one.rewards)
    tried = rng.permutation(len(ACTIONS))[: max(1, count // 2)]
    seen = {int(a): float(one.rewards[t, a]) for t, a in enumerate(tried)}
    best = max(seen, key=lambda a: seen[a])
    picks = [*map(int, tried), *[best] * (count - len(tried))]
    return float(np.mean([one.rewards[t, 0] - one.rewards[t, a] for t, a in enumerate(picks)]))


def judge(judged: Sequence[TunerReplay], known: Sequence[TunerReplay], seeds: int) -> list[TunerOutcome]:
    """Every contender on every judged replay, learned from the `known` ones of other sources."""
    outcomes = []
    for source in sorted({r.source for r in judged}):
        other = [r for r in known if r.source != source]
        weights, rule = learn(other), rules(other)
        for one in (r for r in judged if r.source == source):
            fixed = rule.get(one.group, 0)
            losses = {
                "rule": (float((one.rewards[:, 0] - one.rewards[:, fixed]).mean()),),
                "random search": tuple(random_search_score(one, np.random.default_rng(s)) for s in range(seeds)),
                "agent (offline)": (agent_score(one, weights, None),),
                "agent": tuple(agent_score(one, weights, np.random.default_rng(s)) for s in range(seeds)),
            }
            outcomes.append(TunerOutcome(replay=one, losses=losses))
    return outcomes


def interval(values: Sequence[tuple[str, float]], rng: np.random.Generator, draws: int = 2000) -> tuple[float, float]:
    """95 % interval of the mean of (source, value), resampling whole sources."""
    by_source: dict[str, list[float]] = {}
    for source, value in values:
        by_source.setdefault(source, []).append(value)
    sums = np.array([(sum(v), len(v)) for v in by_source.values()])
    picks = rng.integers(0, len(sums), (draws, len(sums)))
    means = sums[picks, 0].sum(axis=1) / sums[picks, 1].sum(axis=1)
    return float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


def table(outcomes: Sequence[TunerOutcome]) -> dict[str, dict[str, Any]]:
    """Per class and in total ("all"): number of series, and per contender mean, interval and spread over seeds."""
    result: dict[str, dict[str, Any]] = {}
    for group in [*sorted({o.replay.group for o in outcomes}), "all"]:
        inside = [o for o in outcomes if group in ("all", o.replay.group)]
        row: dict[str, Any] = {"series": len(inside), "sources": len({o.replay.source for o in inside})}
        for name in CONTENDERS:
            values = [(o.replay.source, float(np.mean(o.losses[name]))) for o in inside]
            low, high = interval(values, np.random.default_rng(0))
            seeds = np.mean(
                [np.resize(o.losses[name], max(len(x.losses[name]) for x in inside)) for o in inside], axis=0
            )
            row[name] = {
                "mean": float(np.mean([v for _, v in values])),
                "low": low,
                "high": high,
                "seed_spread": float(seeds.max() - seeds.min()),
            }
        row["best in hindsight"] = float(
            np.mean([(o.replay.rewards[:, 0] - o.replay.rewards.T).mean(axis=1).min() for o in inside])
        )
        result[group] = row
    return result


def verdicts(crossed: Mapping[str, Any], unseen: Mapping[str, Any], rule: Mapping[str, int]) -> dict[str, Any]:
    """Who decides in each class; a class without unseen series keeps the default."""
    result = {}
    for group in sorted(set(crossed) | set(unseen)):
        if group == "all":
            continue
        rows = [t[group] for t in (crossed, unseen) if group in t]
        mode = "default"
        if len(rows) == 2:
            for name, label in (("rule", "rule"), ("agent", "agent")):
                better = all(
                    r[name]["mean"] < -0.002 and r[name]["high"] < 0 and r["sources"] >= FEWEST_SOURCES for r in rows
                )
                beats = name == "rule" or all(
                    r["agent"]["mean"] < min(r["rule"]["mean"], r["random search"]["mean"]) for r in rows
                )
                mode = label if better and beats else mode
        shown: Mapping[str, Any] = rows[-1]
        result[group] = {
            "mode": mode,
            "rule": ACTIONS[rule.get(group, 0)].name,
            "series": shown["series"] if group in unseen else 0,
            "log_loss": {n: round(shown[n]["mean"], 5) for n in CONTENDERS},
        }
    return result


def show(title: str, rows: Mapping[str, Any]) -> str:
    """The table as text."""
    lines = [
        title,
        f"{'class':14s}{'series':>7s}{'sources':>8s}" + "".join(f"{n:>28s}" for n in CONTENDERS) + "   hindsight",
    ]
    for group, row in rows.items():
        cells = "".join(f"{row[n]['mean']:+10.4f} [{row[n]['low']:+.3f},{row[n]['high']:+.3f}]" for n in CONTENDERS)
        lines.append(f"{group:14s}{row['series']:7d}{row['sources']:8d}{cells}  {row['best in hindsight']:+.4f}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tuner", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of traces (see benchmarks.data)")
    parser.add_argument("--cache", type=Path, required=True, help="folder that backtests are kept in")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the tables here")
    parser.add_argument("--write-policy", action="store_true", help="replace forecaster/tuner/policy.json")
    options = parser.parse_args(arguments)
    training = Training(draws=120_000, epochs=5)
    made = list(replays(options.data, options.cache, training=training, series=1000))
    tune, rest = [r for r in made if r.half == "tune"], [r for r in made if r.half == "unseen"]
    crossed, unseen = table(judge(tune, tune, options.seeds)), table(judge(rest, tune, options.seeds))
    print(show("tune half, every source left out once (log loss against the default)", crossed))
    print(show("\nunseen half", unseen))
    classes = verdicts(crossed, unseen, rules(tune))
    print("\nclass          decided by")
    for group, row in classes.items():
        print(f"{group:14s} {row['mode']}" + (f" ({row['rule']})" if row["mode"] == "rule" else ""))
    if options.json:
        options.json.write_text(json.dumps({"tune": crossed, "unseen": unseen, "classes": classes}, indent=1) + "\n")
    if options.write_policy:
        POLICY.write_text(policy_text(learn(tune), classes, seeds=options.seeds, series=len(tune)), encoding="utf-8")


def policy_text(weights: Weights, classes: Mapping[str, Any], *, seeds: int, series: int) -> str:
    """`policy.json`: rounded, so that the file is small and the same wherever it is written."""
    from forecaster.tuner.state import FEATURES

    content = {
        "format": FORMAT,
        "provenance": {
            "made_by": "python -m benchmarks.tuner --data FOLDER --cache FOLDER --write-policy",
            "learned_from": f"{series} series x horizons: the tune half of benchmarks/split.json, panel, machines",
            "log_loss": "unseen series: mean log of the loss at 0.9, 0.95, 0.99 over the default's, with computing",
            "seeds": seeds,
        },
        "features": list(FEATURES),
        "actions": [a.name for a in ACTIONS],
        "coefficients": np.round(weights.coefficients, 6).tolist(),
        "covariance": np.round(weights.covariance, 7).tolist(),
        "classes": dict(classes),
    }
    return json.dumps(content, separators=(",", ":"), sort_keys=True).replace('"classes"', '\n"classes"') + "\n"
