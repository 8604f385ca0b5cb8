"""Pallets that every chain has: system, timestamp, fees, session, utility, multisig, proxy, sudo, upgrades.

First file to read: `system.py`, the accounts and the block's own records. None knows another: Protocols
stand between them.
"""
