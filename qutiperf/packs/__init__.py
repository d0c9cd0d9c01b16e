"""Results folders as one file for others, and back."""
