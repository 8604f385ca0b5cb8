"""Tests of the algorithms in pallets/energy_trading."""
