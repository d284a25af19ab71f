-- Bytes by their SHA-256, each in a large object; touched is when it was put last.
CREATE TABLE causeway.blob (
    digest text COLLATE "C" PRIMARY KEY,
    object oid NOT NULL,
    bytes bigint NOT NULL,
    touched timestamptz NOT NULL
);
