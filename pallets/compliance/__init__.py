"""What regulators must see and nobody else: suspicious transfers, commitments to personal data.

First file to read: `aml.py`. Nothing here knows a market or keeps personal data.
"""
