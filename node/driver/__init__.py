"""Drivers: they give sans-IO engines their inputs and perform their effects; see finality.py."""
