"""What MLCommons' rules ask for beside results that it has not reviewed."""

UNVERIFIED = "Result not verified by MLCommons Association."
