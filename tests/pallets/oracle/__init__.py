"""Tests of the algorithms in pallets/oracle."""
