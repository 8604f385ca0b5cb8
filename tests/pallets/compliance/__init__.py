"""Tests of the algorithms in pallets/compliance."""
