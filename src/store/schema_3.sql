-- Promises to call back: one is open for a customer at a time. Written with the end of the call that makes, changes or
-- keeps them.
CREATE TABLE follow_up (
    id        INTEGER PRIMARY KEY,
    opened    INTEGER NOT NULL,        -- microseconds since 1970, UTC: the end of the missed call
    call      INTEGER NOT NULL UNIQUE, -- that call
    number    INTEGER,                 -- E.164 without plus; NULL: not shown, or could not be read
    text      TEXT,                    -- as it came, where it could not be read
    anonymous INTEGER NOT NULL,
    name      TEXT,                    -- the customer's, or the one they came with
    customer  TEXT,                    -- the CRM's id
    did       TEXT,
    cause     TEXT NOT NULL,           -- of the first miss
    assignee  TEXT,                    -- an extension; NULL: nobody's
    assigned  TEXT NOT NULL,           -- responsible | last_talker | list | unassigned
    due       INTEGER NOT NULL,        -- never moves
    attempts  INTEGER NOT NULL,        -- of the customer
    last_miss INTEGER NOT NULL,
    closed    INTEGER,
    closed_by INTEGER                  -- the call in which they were talked with
) STRICT;
CREATE UNIQUE INDEX follow_up_open_for ON follow_up (number) WHERE closed IS NULL AND number IS NOT NULL;
CREATE INDEX follow_up_open ON follow_up (due) WHERE closed IS NULL;
CREATE INDEX follow_up_of_list ON follow_up (id) WHERE assigned = 'list';

CREATE TABLE follow_up_comment (
    follow_up INTEGER NOT NULL REFERENCES follow_up,
    call      INTEGER NOT NULL,
    at        INTEGER NOT NULL,
    what      TEXT NOT NULL,           -- missed | tried | brief
    cause     TEXT,                    -- of a miss
    PRIMARY KEY (follow_up, call)
) STRICT, WITHOUT ROWID;

-- Who talked last with a number.
CREATE INDEX call_talk_from ON call (from_number) WHERE answered IS NOT NULL AND direction = 'inbound';
CREATE INDEX call_talk_to ON call (to_number) WHERE answered IS NOT NULL AND direction = 'outbound';
