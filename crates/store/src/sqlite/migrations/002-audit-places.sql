-- Whose it was, as far as it was a team's or a space's: what is removed has nobody else who knows.
ALTER TABLE audit ADD COLUMN team TEXT NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN space TEXT NOT NULL DEFAULT '';
