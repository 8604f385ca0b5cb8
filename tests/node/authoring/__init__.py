"""Tests of the author and the intake."""
