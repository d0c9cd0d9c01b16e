"""The contract of adapters, as checks that users can run on their own adapter (`qutiperf adapter test`)."""
