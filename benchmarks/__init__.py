"""Benchmarks: one command, JSON lines on standard output."""
