"""Tests of chain specs and compositions."""
