-- What happened, in order. Never changed, never reordered; seq is what followers keep as their cursor.
CREATE TABLE fact (
    seq  INTEGER PRIMARY KEY,
    at   INTEGER NOT NULL,          -- microseconds since 1970, UTC
    call INTEGER,                   -- the call it belongs to, as a number
    body TEXT NOT NULL              -- the fact as JSON
) STRICT;
CREATE INDEX fact_of_call ON fact (call) WHERE call IS NOT NULL;   -- every index entry ends in seq

-- One row for each call: written when it is offered, completed when it has ended. Ids sort by time.
CREATE TABLE call (
    id             INTEGER PRIMARY KEY,
    began          INTEGER NOT NULL,
    direction      TEXT NOT NULL,   -- inbound | outbound | internal
    from_number    INTEGER,         -- E.164 without plus
    from_text      TEXT,            -- as it came, where it could not be read
    from_name      TEXT,
    from_extension TEXT,
    anonymous      INTEGER NOT NULL,
    to_number      INTEGER,
    to_text        TEXT,
    to_name        TEXT,
    to_extension   TEXT,
    did            TEXT,
    source         TEXT,
    trunk          TEXT,
    customer       TEXT,            -- the CRM's id
    customer_name  TEXT,
    responsible    TEXT,
    emergency      INTEGER NOT NULL,
    sip_call_id    TEXT NOT NULL,
    rung           TEXT,            -- extensions rung, as ",12,14,"
    answered       INTEGER,         -- by a human
    answered_by    TEXT,            -- an extension, or a number outside
    ended          INTEGER,
    ended_by       TEXT,            -- caller | callee | router | system_failure
    status         INTEGER,
    missed         TEXT,            -- the cause; NULL where it was none
    talk_ms        INTEGER
) STRICT;
CREATE INDEX call_open ON call (id) WHERE ended IS NULL;

-- The state that is no configuration: for each thing the last fact that speaks of it.
CREATE TABLE state (
    kind TEXT NOT NULL,             -- binding | override | away | blocked | counter | config | process
    name TEXT NOT NULL,
    seq  INTEGER NOT NULL,
    at   INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE customer (
    kind        TEXT NOT NULL,      -- contact | company | lead
    id          TEXT NOT NULL,      -- the CRM's, unique within its kind
    name        TEXT NOT NULL,
    responsible TEXT,               -- an extension
    changed     INTEGER NOT NULL,   -- microseconds since 1970, UTC
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE customer_number (
    kind   TEXT NOT NULL,
    id     TEXT NOT NULL,
    place  INTEGER NOT NULL,        -- 0 is the one to call back on
    number INTEGER NOT NULL,        -- E.164 without plus
    PRIMARY KEY (kind, id, place),
    FOREIGN KEY (kind, id) REFERENCES customer ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX customer_by_number ON customer_number (number);
