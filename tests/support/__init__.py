"""Tools shared by tests: clocks, builders, runners. Nothing here is a test."""
