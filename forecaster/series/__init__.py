"""One series: from values to calibrated quantiles and joint paths.

The rule: a forecast of step t made h steps before reads no value newer than step t - h, to the last bit.

- `forecast`: quantiles and paths of all steps ahead. `knots`: the forecasts at one horizon that it is made of.
- `scale`: power transforms that models work in.
- `conformal`: quantiles from past errors, and keeping them calibrated. `tail`: the far tail. `ceiling`: its bound.
- `mixing`: weights of the experts. `loss`: the pinball loss.
- `paths`: joint sample paths. `prior`: the forecast without history. `reasons`: the text that explains a forecast.
"""
