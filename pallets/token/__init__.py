"""Pallets that hold value: balances and assets.

First file to read: `balances.py`. None knows what value is for, nor who asks to hold it.
"""
