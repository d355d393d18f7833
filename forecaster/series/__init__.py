"""One series: from values to calibrated quantiles and joint paths."""
