"""Models as files: what goes in and out, without any runtime."""
