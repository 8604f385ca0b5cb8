"""The vault: where personal data are kept that a chain has only commitments to, and where they are erased.

First file to read: `vault.py`. `policy.py` says who may do what; `sealing.py`, `database.py`, `keyring.py`
and `access_log.py` know no chain and no network; `link.py` and `obligations.py` speak to a chain, `web.py`
to officers. A person's data are never in a name, a log or an error message.
"""
