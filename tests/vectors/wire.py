"""The file `wire.json`: bytes that the @polkadot client libraries produced, section by section.

Each section has a check for one of its entries, or a reason why it is not run; a section with neither is
refused, so that a longer file cannot pass by being ignored.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from tests.vectors import wire_chain, wire_keys, wire_runtime, wire_scale
from tests.vectors.case import Case, Document, Entry, MalformedFile, Plan, get_entries

NOTES = frozenset({"_about", "producers", "scale_notes", "era_notes", "signature_notes"})
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
    "storage_keys": wire_runtime.check_storage_item,
    "storage_prefixes": wire_keys.check_storage_prefix,
    "header": wire_chain.check_header,
    "digest_items": wire_chain.check_digest_item,
    "multi_address": wire_chain.check_multi_address,
    "multi_signature": wire_chain.check_multi_signature,
    "weight": wire_chain.check_weight,
    "transaction_validity": wire_chain.check_transaction_validity,
    "apply_extrinsic_result": wire_chain.check_apply_extrinsic_result,
    "dispatch_error": wire_runtime.check_dispatch_error_of_pallets,
    "calls": wire_runtime.check_call,
    "signing": wire_runtime.check_signing,
    "malformed_extrinsics": wire_runtime.check_malformed_extrinsic,
}

WHOLE: Mapping[str, Callable[[Any], None]] = {
    "dev_mnemonic": wire_keys.check_dev_mnemonic,
    "dev_root_seed": wire_keys.check_dev_root_seed,
    "era_immortal": wire_keys.check_era_immortal,
    "well_known_keys": wire_keys.check_well_known_keys,
    "account_info": wire_chain.check_account_info,
    "runtime_dispatch_info": wire_chain.check_runtime_dispatch_info,
    "pallet_indices": wire_runtime.check_pallet_indices,
    "unsigned": wire_runtime.check_unsigned,
    "signing_same_across_metadata_versions": wire_runtime.check_same_across_metadata_versions,
    "event_records": wire_runtime.check_event_records,
}

NOT_RUN: Mapping[str, str] = {
    "metadata": "describes a mock runtime by hand; clients in tests/wallets read the metadata of our own",
    "rpc_samples": "answers of a mock node whose values vary; the tests of the RPC methods check the shapes",
}
"""Sections without a check, and the reason for each."""

NOT_RUN_ENTRIES: Mapping[str, tuple[Entry, str]] = {
    "multi_address[1]": (
        {"variant": "Index(0)", "hex": "0x0100"},
        "the client's built-in type has u32 account indices, our metadata and the file's own the empty type",
    ),
}
"""Entries without a check beside others that have one, repeated so that nothing else is passed over."""


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
            for index, entry in enumerate(entries):
                name = f"{section}[{index}]"
                known, reason = NOT_RUN_ENTRIES.get(name, (None, ""))
                if entry == known:
                    skipped[name] = reason
                else:
                    cases.append(Case(name, partial(SECTIONS[section], entry)))
        elif section not in NOTES:
            raise MalformedFile(f"section {section!r} is unknown")
    if not cases:
        raise MalformedFile("holds no section of a wire file")
    return Plan(tuple(cases), skipped)
