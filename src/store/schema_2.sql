-- What was written down: a row from the moment a recording begins. `state` rows have the kinds `message` and `heard` now.
CREATE TABLE recording (
    file      TEXT PRIMARY KEY,     -- counted from storage.directory; names the recording
    call      INTEGER NOT NULL,
    mailbox   TEXT,                 -- the box of a message; NULL for a talk
    began     INTEGER NOT NULL,     -- microseconds since 1970, UTC
    ended     INTEGER,              -- NULL while it runs
    length_ms INTEGER,
    speech_ms INTEGER,
    lost_ms   INTEGER,
    failed    TEXT,                 -- why writing failed in the end
    state     TEXT,                 -- of a message that is over: new | heard | deleted
    erased    INTEGER,              -- when its file went
    why       TEXT                  -- … and why
) STRICT, WITHOUT ROWID;
CREATE INDEX recording_of_call ON recording (call);
CREATE INDEX recording_open ON recording (began) WHERE ended IS NULL;
CREATE INDEX recording_on_disk ON recording (began) WHERE erased IS NULL;

-- What is to be told to the world outside: written with the fact that it tells, taken until somebody has acknowledged it.
CREATE TABLE outbox (
    id      INTEGER PRIMARY KEY,
    kind    TEXT NOT NULL,          -- mail
    target  TEXT NOT NULL,          -- the address
    about   TEXT NOT NULL,          -- the message's file
    made    INTEGER NOT NULL,
    tries   INTEGER NOT NULL,       -- begun so far
    due     INTEGER,                -- when it is tried (again); NULL: sent, or given up
    taken   INTEGER NOT NULL,       -- 1 while a try is under way
    sent    INTEGER,                -- when it was acknowledged
    error   TEXT,                   -- what the last try met
    UNIQUE (kind, target, about)
) STRICT;
CREATE INDEX outbox_due ON outbox (due) WHERE due IS NOT NULL;
