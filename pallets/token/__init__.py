"""Pallets that hold value: balances and assets."""
