"""The types of the files that describe a measurement, and their expansion into points."""
