"""What was measured: records, the folder that keeps them, and all that is read off them."""
