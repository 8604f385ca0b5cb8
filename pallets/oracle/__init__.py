"""Measured values from outside: one value out of many providers' answers, and how fresh it is.

First file to read: `median.py`. Nothing here knows where a provider found its value or what it is used for.
"""
