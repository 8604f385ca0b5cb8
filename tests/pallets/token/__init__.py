"""Tests of the pallets that hold value."""
