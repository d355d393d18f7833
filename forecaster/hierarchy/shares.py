"""From the demand of a group to that of its users, so that the parts always sum to the whole.

- Groups (applications, or whatever is sized) are modelled, and so are their few big pairs. The many sparse pairs take their
  share of the group's paths.
- Shares differ by hour of the day and forget over weeks. They vary: counts are Dirichlet-multinomial given the group's count,
  so one sparse pair is as uncertain as it was (concentration by moments, Mosimann 1962).
- Every path of the parts sums to the path of the group, so all levels are coherent. Marginals of sums are read from summed
  paths, never added up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from forecaster.history.history import Floats, History, Ints

#: Half-life of the weights with which shares are learned.
HALF_LIFE = timedelta(weeks=3)
#: Requests of a pair's all-day share that its share of one hour is worth: pulls sparse hours towards the whole day.
HOUR_PRIOR = 4.0
#: Numbers drawn at once; bounds the memory of drawing many pairs.
CHUNK = 4_000_000
#: With fewer requests than one for so many parts they are dealt out one by one, which is then several times faster.
SPARSE = 4
#: Requests that are dealt out by chance at most.
DRAWN = 1e18


@dataclass(frozen=True, kw_only=True)
class Shares:
    """Shares of pairs in their groups.

    Attributes:
        members: per group the indices of its pairs (into `History.pairs`), ascending.
        shares: per group (members, buckets) share of each pair; columns sum to 1.
        concentration: (groups,) Dirichlet concentration; infinite where shares don't vary beyond chance.
    """

    members: tuple[Ints, ...]
    shares: tuple[Floats, ...]
    concentration: Floats

    @property
    def buckets(self) -> int:
        """Hours told apart: 24, or 1 for steps of a day and more."""
        return int(self.shares[0].shape[1]) if self.shares else 1


def bucket_of(history: History, first: int, count: int) -> Ints:
    """(count,) bucket of the steps from number `first` of the history on: hour of the day (UTC); 0 for long steps."""
    if history.step >= timedelta(days=1):
        return np.zeros(count, dtype=np.int64)
    begin = int(history.start.timestamp()) + first * round(history.step.total_seconds())
    seconds = begin + np.arange(count) * round(history.step.total_seconds())
    return np.asarray(seconds // 3600 % 24, dtype=np.int64)


def estimate_shares(history: History, codes: Ints, groups: int) -> Shares:
    """Shares of the pairs of each group (`codes` (P,), negative: in none), from the whole history, newer steps more."""
    buckets = 24 if history.step < timedelta(days=1) else 1
    owner = np.repeat(np.arange(len(history.pairs)), np.diff(history.offsets))
    usable = np.isfinite(history.requests) & (codes[owner] >= 0)
    owner, position, value = owner[usable], history.position[usable], history.requests[usable]
    age = (history.length - 1 - position) * (history.step / HALF_LIFE)
    bucket = bucket_of(history, 0, history.length)[position] if len(position) else position
    size = len(history.pairs) * buckets
    weighted = np.bincount(owner * buckets + bucket, weights=value * 0.5**age, minlength=size)
    by_pair = weighted.astype(np.float64).reshape(len(history.pairs), buckets)
    members, shares = [], []
    for group in range(groups):
        mine = np.flatnonzero(codes == group)
        members.append(mine.astype(np.int64))
        shares.append(_smoothed(by_pair[mine]))
    concentration = _concentration(owner, position, value, codes, members, shares, history.length)
    return Shares(members=tuple(members), shares=tuple(shares), concentration=concentration)


def _smoothed(counts: Floats) -> Floats:
    """Shares (members, buckets) from weighted counts; an hour's shares lean on those of the whole day."""
    if not len(counts):
        return counts
    whole = counts.sum(axis=1)
    day = whole / whole.sum() if whole.sum() > 0 else np.full(len(whole), 1.0 / len(whole))
    leaning = counts + HOUR_PRIOR * day[:, None]
    return np.asarray(leaning / leaning.sum(axis=0, keepdims=True))


def _concentration(
    owner: Ints, position: Ints, value: Floats, codes: Ints, members: list[Ints], shares: list[Floats], length: int
) -> Floats:
    """Method of moments: E Σ(n − N s)² = N (1 − Σ s²) (N + A)/(1 + A) for Dirichlet-multinomial counts."""
    out = np.full(len(members), np.inf)
    rank = np.zeros(len(codes), dtype=np.int64)
    for mine in members:
        rank[mine] = np.arange(len(mine))
    group = codes[owner]
    order = np.argsort(group, kind="stable")
    edges = np.searchsorted(group[order], np.arange(len(members) + 1))
    for g, mine in enumerate(members):
        cells = order[edges[g] : edges[g + 1]]
        share = shares[g].mean(axis=1) if len(mine) else np.zeros(0)
        if len(mine) < 2 or len(cells) < 20:
            continue
        total = np.bincount(position[cells], weights=value[cells], minlength=length)
        square = float((share**2).sum())
        # Σ_t Σ_i (n − N s)² = Σ n² − 2 Σ N n s + Σ_t N² Σ s²: only steps with counts enter, so sparse stays sparse.
        n, s, whole = value[cells], share[rank[owner[cells]]], total[position[cells]]
        came = float((n**2).sum() - 2 * (whole * n * s).sum() + (total**2).sum() * square)
        chance, quadratic = float(total.sum()) * (1 - square), float((total**2).sum()) * (1 - square)
        # came (1 + A) = quadratic + chance · A
        if came > chance and quadratic > came:
            out[g] = max((quadratic - came) / (came - chance), 0.5)
        elif came >= quadratic:
            out[g] = 0.5
    return out


def parts(paths: Floats, shares: Floats, bucket: Ints, concentration: float, rng: np.random.Generator) -> Floats:
    """(parts, paths, horizon) counts of the parts of one group, which sum to `paths` (paths, horizon) exactly.

    `shares` (parts, buckets) must sum to 1 over the parts, `bucket` (horizon,) says which column holds in each step.
    Fractions of a request are rounded at random so that means hold, and what rounding moved is spread by what came.
    """
    count, horizon = paths.shape
    k = len(shares)
    if k == 1:
        return paths[None].copy()
    # What is beyond the numbers that can be drawn is drawn smaller: the scale below makes up for it.
    whole = np.floor(np.minimum(paths, DRAWN) + rng.random(paths.shape)).astype(np.int64).ravel()
    target = paths.ravel()
    scale = np.divide(target, whole, out=np.zeros(len(target)), where=whole > 0)
    out = np.empty((k, count * horizon))
    column = np.tile(bucket, count)
    rows = max(1, CHUNK // k)
    for begin in range(0, count * horizon, rows):
        piece = slice(begin, min(begin + rows, count * horizon))
        if whole[piece].sum(dtype=np.float64) * SPARSE < k * len(whole[piece]):
            drawn = _one_by_one(whole[piece], shares, column[piece], concentration, rng)
        else:
            chance = shares[:, column[piece]].T
            if np.isfinite(concentration):
                chance = _dirichlet(chance, concentration, rng)
            drawn = rng.multinomial(whole[piece], chance)
        out[:, piece] = (drawn * scale[piece, None]).T
        # Less than one request that was rounded down: everybody's share of it.
        none = begin + np.flatnonzero(whole[piece] == 0)
        out[:, none] = shares[:, column[none]] * target[none]
    return out.reshape(k, count, horizon)


def _one_by_one(whole: Ints, shares: Floats, column: Ints, concentration: float, rng: np.random.Generator) -> Ints:
    """Dirichlet-multinomial counts (rows, parts) of a few requests among many parts, request by request.

    Hoppe's urn (1984): the j-th request repeats an earlier one with chance j / (concentration + j), each as likely, else
    it is drawn by the shares.
    """
    rows, most = len(whole), int(whole.max(initial=0))
    order = np.argsort(-whole, kind="stable")
    size = np.searchsorted(-whole[order], -np.arange(most), side="left")  # rows that have a j-th request
    part = np.zeros((most, rows), dtype=np.int64)
    edges = np.cumsum(shares, axis=0)
    for b in np.unique(column):
        mine = np.flatnonzero(column[order] == b)
        fresh = rng.random((most, len(mine))) * edges[-1, b]
        part[:, mine] = np.minimum(np.searchsorted(edges[:, b], fresh, side="right"), len(shares) - 1)
    if np.isfinite(concentration):
        for j in range(1, most):
            again = np.flatnonzero(rng.random(size[j]) < j / (concentration + j))
            part[j, again] = part[rng.integers(0, j, len(again)), again]
    there = np.arange(most)[:, None] < whole[order][None]
    cell = order[None] * len(shares) + part
    return np.bincount(cell[there], minlength=rows * len(shares)).reshape(rows, len(shares))


def _dirichlet(chance: Floats, concentration: float, rng: np.random.Generator) -> Floats:
    drawn = rng.standard_gamma(np.maximum(chance * concentration, 1e-12))
    total = drawn.sum(axis=1, keepdims=True)
    drawn = np.where(total > 0, drawn / np.maximum(total, 1e-300), chance)
    # multinomial refuses sums a rounding error over 1
    return np.asarray(drawn / np.maximum(drawn.sum(axis=1, keepdims=True), 1.0 + 1e-12))


def lumped(shares: Floats, chosen: Sequence[int]) -> Floats:
    """Shares of the `chosen` members and, as the last row, of all others together: marginals are the same."""
    rest = 1.0 - shares[list(chosen)].sum(axis=0, keepdims=True)
    return np.asarray(np.concatenate((shares[list(chosen)], np.maximum(rest, 0.0))))


def reconciled(whole: Floats, modelled: Floats, rest: Floats) -> tuple[Floats, Floats]:
    """Parts scaled path by path to sum to `whole` (paths, horizon).

    `modelled` (parts, paths, horizon) are the big pairs' own paths, `rest` (paths, horizon) that of all others. Where
    all of them are zero the whole goes to the rest.
    """
    total = modelled.sum(axis=0) + rest
    scale = np.divide(whole, total, out=np.zeros(whole.shape), where=total > 0)
    return modelled * scale, np.where(total > 0, rest * scale, whole)


def scaled_to(whole: Floats, paths: Floats) -> Floats:
    """`paths` (paths, parts, horizon) scaled path by path to sum to `whole` (paths, horizon).

    Where all parts of a path are zero the whole goes to them as their means do.
    """
    total = paths.sum(axis=1)
    mean = paths.mean(axis=0)
    share = np.where(mean.sum(axis=0) > 0, mean / np.maximum(mean.sum(axis=0), 1e-300), 1.0 / paths.shape[1])
    scale = np.divide(whole, total, out=np.zeros(whole.shape), where=total > 0)
    return np.asarray(np.where((total > 0)[:, None], paths * scale[:, None], whole[:, None] * share))
