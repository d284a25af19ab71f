-- The documents. The body is JSON: select body ->> '$.state' from resource where kind = 'vpc';
CREATE TABLE resource (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    account TEXT NOT NULL,
    revision INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT;
CREATE INDEX resource_account ON resource (account, kind);
CREATE INDEX resource_revision ON resource (revision);

-- The newest deletions, for those who follow the changes.
CREATE TABLE tombstone (
    number INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    revision INTEGER NOT NULL
) STRICT;
CREATE INDEX tombstone_revision ON tombstone (revision);

-- Every command, accepted or refused; at is in milliseconds since 1970. No index: each would cost
-- every command a page, and reading all of it takes less than a second.
CREATE TABLE audit (
    number INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    actor TEXT NOT NULL,
    account TEXT NOT NULL,
    action TEXT NOT NULL,
    resource TEXT NOT NULL,
    source TEXT NOT NULL,
    outcome TEXT NOT NULL,
    message TEXT NOT NULL,
    request_id TEXT NOT NULL
) STRICT;

CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

-- One row: where the database is, since when every deletion is known, and whose key seals.
CREATE TABLE ledger (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    revision INTEGER NOT NULL,
    forgotten INTEGER NOT NULL,
    fingerprint BLOB
) STRICT;
INSERT INTO ledger (one, revision, forgotten) VALUES (1, 0, 0);
