"""Investment pools: many pay for a plant and share its revenue.

First file to read: `revenue.py`. Nothing here knows what the plant is or who approved it.
"""
