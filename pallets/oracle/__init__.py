"""Measured values from outside: who measures them, one value out of many answers, and how fresh it is.

First file to read: `oracle.py`. Nothing here knows where a provider found its value or what it is used for.
"""
