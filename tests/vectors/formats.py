"""The known vector formats, by file name up to the first dot. A new format is one more line in `FORMATS`."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.vectors.case import Document, MalformedFile, Plan
from tests.vectors.compliance import plan_aml, plan_commitment, plan_freshness, plan_median
from tests.vectors.consensus import plan_guard, plan_quorum
from tests.vectors.ecvrf import plan_ecvrf, plan_hash_to_curve
from tests.vectors.ed25519 import plan_ed25519
from tests.vectors.elections import plan_election_arithmetic, plan_elections
from tests.vectors.energy_trading import plan_arithmetic, plan_cda, plan_peers, plan_uniform, plan_zonal
from tests.vectors.governance import plan_curves, plan_tally
from tests.vectors.multisig import plan_multisig
from tests.vectors.pallets import plan_pallets
from tests.vectors.settlement import (
    plan_certificates,
    plan_pool,
    plan_settlement,
    plan_tariff,
    plan_week,
)
from tests.vectors.staking import plan_staking
from tests.vectors.suri import plan_suri
from tests.vectors.wire import plan_wire

FORMATS: Mapping[str, Callable[[Document], Plan]] = {
    "aml_rules": plan_aml,
    "arithmetic": plan_arithmetic,
    "bft_quorum": plan_quorum,
    "certificates": plan_certificates,
    "clearing_cda": plan_cda,
    "clearing_uniform": plan_uniform,
    "clearing_zonal": plan_zonal,
    "double_sign_guard": plan_guard,
    "ecvrf_edwards25519": plan_ecvrf,
    "ed25519_cctv": plan_ed25519,
    "ed25519_speccheck": plan_ed25519,
    "ed25519_wycheproof": plan_ed25519,
    "gov_curves": plan_curves,
    "gov_tally": plan_tally,
    "h2c_edwards25519_ell2_nu": plan_hash_to_curve,
    "multisig": plan_multisig,
    "npos_arithmetic": plan_election_arithmetic,
    "npos_elections": plan_elections,
    "oracle_freshness": plan_freshness,
    "oracle_median": plan_median,
    "pallets": plan_pallets,
    "pdpa_commitment": plan_commitment,
    "peer_mechanisms": plan_peers,
    "pool": plan_pool,
    "replay_homes15_week": plan_week,
    "settlement": plan_settlement,
    "staking_semantics": plan_staking,
    "suri": plan_suri,
    "tariff": plan_tariff,
    "wire": plan_wire,
}


def load_plan(path: Path) -> Plan:
    """Return the cases of a vector file; MalformedFile on an unknown name, and on content that is not of
    the format.
    """
    name = path.name.partition(".")[0]
    if name not in FORMATS:
        raise MalformedFile(f"no vector format is named {name!r}; known are {', '.join(sorted(FORMATS))}")
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise MalformedFile(f"cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise MalformedFile(f"is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise MalformedFile("is not a JSON object")
    return FORMATS[name](document)
