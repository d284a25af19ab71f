-- The number of the newest leadership: what an earlier leader decided changes nothing.
ALTER TABLE ledger ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0;
