"""Energy certificates: one for each megawatt-hour that a device generated.

First file to read: `issuance.py`. Nothing here knows what a certificate is worth.
"""
