-- What happened, for those whom it concerns. A number is never given twice, as followers go on after the
-- last one that they have seen. Parties has a space before and after each. The body is JSON.
CREATE TABLE event (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    resource TEXT NOT NULL,
    parties TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT;

-- What became of each event that a webhook is told of. A webhook goes on after the last event that is
-- settled, be it delivered or given up.
CREATE TABLE delivery (
    hook TEXT NOT NULL,
    event INTEGER NOT NULL,
    settled INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (hook, event)
) STRICT, WITHOUT ROWID;
