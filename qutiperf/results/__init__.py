"""Results: records, the folder that stores them, and everything that is computed from them."""
