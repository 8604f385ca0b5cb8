"""Which scenarios every client must pass, and what single clients show besides.

The names are the contract between the tests and the scenario programs; a program that lacks one fails it.
"""

COMMON = (
    "connect",
    "metadata",
    "constants",
    "account_query",
    "multi_query",
    "map_iteration",
    "storage_subscription",
    "runtime_version_subscription",
    "header_hash",
    "transfer_sr25519",
    "transfer_ed25519",
    "events",
    "module_error",
    "fee",
    "tip",
    "nonce_from_pool",
    "historical_query",
    "extrinsic_hash",
    "long_payload",
    "immortal",
    "stale_nonce",
    "bad_signature",
    "unfunded",
    "batch_all",
    "batch_interrupted",
    "multisig",
    "proxy",
    "assets",
    "sudo",
)

POLKADOT_JS = ("transfer_ecdsa", "dry_run", "block_author", "read_proof", "over_http", "live_query", "quiet")

BESIDES = {
    "polkadot_js": POLKADOT_JS,
    "polkadot_js_10": POLKADOT_JS,
    "papi": ("runtime_calls",),
    "substrate_interface": (
        "block_author",
        "over_http",
        "mortal_era_of_short_period",
        "two_connections",
    ),
    "async_substrate": ("block_author", "runtime_calls", "concurrent_transfers"),
}

# These sign with the one sudo key, so no two clients may be in them at once.
EXCLUSIVE = frozenset({"sudo"})


def scenarios_of(client: str) -> tuple[str, ...]:
    """Every scenario of the client, in the order in which it runs them."""
    return COMMON + BESIDES[client]
