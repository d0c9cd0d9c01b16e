"""The adapter contract as checks that users can run on their adapter (`qutiperf adapter test`)."""
