"""Model files: their inputs and outputs, read without a runtime."""
