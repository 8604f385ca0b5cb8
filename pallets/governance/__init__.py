"""Pallets by which the holders of the currency decide: what the common purse pays.

First file to read: `treasury.py`. None knows how a decision was reached; origins say who decided.
"""
