-- The ids of the newest batches that changed rows, newest first, in hexadecimal with a space after each:
-- whether a batch took effect whose writer was not told.
ALTER TABLE ledger ADD COLUMN batches TEXT NOT NULL DEFAULT '';
