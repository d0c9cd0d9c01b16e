"""What an adapter must keep to, as checks that anybody can run on their own (`qutiperf adapter test`)."""
