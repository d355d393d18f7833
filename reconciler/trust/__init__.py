"""How far a forecast is trusted: scores of earlier ones, demotion and fallbacks, and the error budget that is left."""
