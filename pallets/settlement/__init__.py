"""Settlement after delivery: imbalances, tariffs, netting and what happens when somebody cannot pay.

First file to read: `imbalance.py`. Nothing here knows how a price was found or where money is kept.
"""
