"""Durable key-value storage behind a small Protocol, and the columns of a chain."""
