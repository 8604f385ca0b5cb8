"""The file `wire.json`: bytes that the @polkadot client libraries produced, section by section.

Each section has a check for one of its entries, or a reason why it is not run; a section with neither is
refused, so that a longer file cannot pass by being ignored.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from tests.vectors import wire_keys, wire_scale
from tests.vectors.case import Case, Document, Entry, MalformedFile, Plan, get_entries

NOTES = frozenset({"_about", "producers", "scale_notes", "era_notes", "signature_notes", "pallet_indices"})
"""Keys that explain the file and hold nothing to check."""

SECTIONS: Mapping[str, Callable[[Entry], None]] = {
    "hash": wire_keys.check_hash,
    "runtime_api_id": wire_keys.check_runtime_api_id,
    "dev_accounts": wire_keys.check_dev_account,
    "ss58": wire_keys.check_ss58,
    "ss58_invalid": wire_keys.check_ss58_invalid,
    "signature_verify": wire_keys.check_signature,
    "era": wire_keys.check_era,
    "era_decode": wire_keys.check_era_decode,
    "compact": wire_scale.check_compact,
    "scale": wire_scale.check_scale,
    "storage_keys": wire_keys.check_storage_key,
    "storage_prefixes": wire_keys.check_storage_prefix,
}

WHOLE: Mapping[str, Callable[[Any], None]] = {
    "dev_mnemonic": wire_keys.check_dev_mnemonic,
    "dev_root_seed": wire_keys.check_dev_root_seed,
    "era_immortal": wire_keys.check_era_immortal,
    "well_known_keys": wire_keys.check_well_known_keys,
}

NOT_RUN: Mapping[str, str] = {
    **dict.fromkeys(("header", "digest_items"), "needs the types of a block"),
    **dict.fromkeys(
        (
            "signing",
            "signing_same_across_metadata_versions",
            "unsigned",
            "multi_address",
            "multi_signature",
            "malformed_extrinsics",
        ),
        "needs the types of an extrinsic",
    ),
    **dict.fromkeys(
        (
            "calls",
            "account_info",
            "event_records",
            "dispatch_error",
            "transaction_validity",
            "apply_extrinsic_result",
            "runtime_dispatch_info",
            "weight",
        ),
        "needs the types of the frame",
    ),
    "metadata": "describes a mock runtime by hand; clients in tests/wallets read the metadata of our own",
    "rpc_samples": "answers of a mock node whose values vary; the tests of the RPC methods check the shapes",
}


def plan_wire(document: Document) -> Plan:
    """Return the cases of all sections with a check, and the reasons for the others."""
    cases: list[Case] = []
    skipped: dict[str, str] = {}
    for section in document:
        if section in NOT_RUN:
            skipped[section] = NOT_RUN[section]
        elif section in WHOLE:
            cases.append(Case(section, partial(WHOLE[section], document[section])))
        elif section in SECTIONS:
            entries = get_entries(document, section)
            cases.extend(
                Case(f"{section}[{index}]", partial(SECTIONS[section], entry))
                for index, entry in enumerate(entries)
            )
        elif section not in NOTES:
            raise MalformedFile(f"section {section!r} is unknown")
    if not cases:
        raise MalformedFile("holds no section of a wire file")
    return Plan(tuple(cases), skipped)
