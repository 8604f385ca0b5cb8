"""Pallets every chain has: system, timestamp, fees, utility, multisig, proxy, sudo."""
