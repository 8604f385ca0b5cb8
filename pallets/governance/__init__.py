"""Pallets by which the holders of the currency decide: what the common purse pays, and what a decision needs.

First file to read: `treasury.py`; it does not know how a decision was reached, origins say who decided. The
arithmetic of decisions is in `curves.py` and `tally.py`, which know no pallet.
"""
