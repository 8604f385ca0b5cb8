"""The tables of a vault, version by version; a version that was released is never changed.

`records.db` may be copied anywhere: it holds ciphertexts, commitments and the log. `keys.db` holds what opens
them, sealed by the master key, what was destroyed, and whose tokens hold no more; it is never in a backup of
records.
"""

from typing import Final

RECORDS: Final = (
    (
        "CREATE TABLE vault (one INTEGER PRIMARY KEY CHECK (one = 1), id BLOB NOT NULL, genesis BLOB) STRICT",
        """
        CREATE TABLE record (
            subject BLOB NOT NULL CHECK (length(subject) = 32),
            kind TEXT NOT NULL,
            version INTEGER NOT NULL CHECK (version > 0),
            created_ms INTEGER NOT NULL,
            officer TEXT NOT NULL,
            request BLOB UNIQUE,
            commitment BLOB NOT NULL UNIQUE CHECK (length(commitment) = 32),
            sealed BLOB,
            tombstone BLOB,
            PRIMARY KEY (subject, kind, version),
            CHECK ((sealed IS NULL) = (tombstone IS NOT NULL))
        ) STRICT
        """,
        """
        CREATE TABLE submission (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            subject BLOB NOT NULL,
            kind TEXT,
            version INTEGER,
            tombstone BLOB UNIQUE,
            call TEXT NOT NULL,
            arguments TEXT NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('queued', 'signed', 'done', 'failed')),
            attempts INTEGER NOT NULL DEFAULT 0,
            signer BLOB,
            extrinsic BLOB,
            nonce INTEGER,
            born INTEGER,
            dies INTEGER,
            failure TEXT,
            CHECK ((state = 'signed') <= (extrinsic IS NOT NULL)),
            FOREIGN KEY (subject, kind, version) REFERENCES record (subject, kind, version)
        ) STRICT
        """,
        "CREATE INDEX submission_state ON submission (state)",
        """
        CREATE TABLE anchor (
            submission INTEGER PRIMARY KEY REFERENCES submission (id),
            commitment BLOB NOT NULL,
            pallet TEXT NOT NULL,
            item TEXT NOT NULL,
            storage_key BLOB NOT NULL,
            header BLOB NOT NULL,
            proof BLOB NOT NULL
        ) STRICT
        """,
        "CREATE INDEX anchor_commitment ON anchor (commitment)",
        """
        CREATE TABLE officer (
            name TEXT PRIMARY KEY,
            role TEXT NOT NULL,
            token_hash BLOB NOT NULL CHECK (length(token_hash) = 32),
            created_ms INTEGER NOT NULL,
            revoked_ms INTEGER
        ) STRICT
        """,
        "CREATE TABLE access (number INTEGER PRIMARY KEY, entry BLOB NOT NULL, head BLOB NOT NULL) STRICT",
        "CREATE TRIGGER access_stays BEFORE UPDATE ON access BEGIN SELECT RAISE (ABORT, 'append only'); END",
        "CREATE TRIGGER access_kept BEFORE DELETE ON access BEGIN SELECT RAISE (ABORT, 'append only'); END",
    ),
)
KEYS: Final = (
    (
        """
        CREATE TABLE master (
            one INTEGER PRIMARY KEY CHECK (one = 1),
            vault BLOB NOT NULL,
            generation INTEGER NOT NULL,
            salt BLOB,
            passes INTEGER,
            memory_bytes INTEGER,
            probe BLOB NOT NULL
        ) STRICT
        """,
        "CREATE TABLE secret (name TEXT PRIMARY KEY, wrapped BLOB NOT NULL) STRICT",
        """
        CREATE TABLE key (
            subject BLOB NOT NULL,
            kind TEXT NOT NULL,
            version INTEGER NOT NULL,
            is_pending INTEGER NOT NULL,
            wrapped BLOB NOT NULL,
            PRIMARY KEY (subject, kind, version)
        ) STRICT
        """,
        "CREATE INDEX key_pending ON key (is_pending) WHERE is_pending = 1",
        """
        CREATE TABLE erasure (
            tombstone BLOB PRIMARY KEY,
            subject BLOB NOT NULL,
            request INTEGER,
            record BLOB NOT NULL,
            salt BLOB NOT NULL,
            is_scrubbed INTEGER NOT NULL
        ) STRICT
        """,
        "CREATE INDEX erasure_subject ON erasure (subject)",
        "CREATE INDEX erasure_open ON erasure (is_scrubbed) WHERE is_scrubbed = 0",
        """
        CREATE TABLE destroyed (
            subject BLOB NOT NULL,
            kind TEXT NOT NULL,
            version INTEGER NOT NULL,
            tombstone BLOB NOT NULL REFERENCES erasure (tombstone),
            PRIMARY KEY (subject, kind, version)
        ) STRICT
        """,
    ),
    (
        """
        CREATE TABLE dismissed (
            token_hash BLOB PRIMARY KEY CHECK (length(token_hash) = 32),
            since_ms INTEGER NOT NULL
        ) STRICT
        """,
    ),
)
