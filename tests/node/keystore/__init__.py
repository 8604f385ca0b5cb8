"""Tests of keys on disk."""
