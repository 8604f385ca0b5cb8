"""Tests of the algorithms in pallets/investment."""
