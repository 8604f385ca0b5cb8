"""Drivers: they give sans-IO engines their inputs and perform their effects.

First file to read: `finality.py`. It knows no rule of agreement.
"""
