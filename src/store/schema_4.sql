-- Orders of programs that came with a key, for a day: sent again, they are answered again and not done again.
CREATE TABLE answered (
    token  TEXT NOT NULL,             -- its id
    key    TEXT NOT NULL,             -- Idempotency-Key
    at     INTEGER NOT NULL,
    hash   TEXT NOT NULL,             -- of everything the order says
    status INTEGER,                   -- NULL: begun, and not answered yet
    kind   TEXT,                      -- content type
    body   BLOB,
    PRIMARY KEY (token, key)
) STRICT, WITHOUT ROWID;

-- What happened, as the world outside hears it: written with its fact where somebody may ask for it later.
CREATE TABLE event (
    seq      INTEGER NOT NULL,        -- of the fact
    part     INTEGER NOT NULL,        -- 0: the fact itself; others follow from it
    at       INTEGER NOT NULL,        -- microseconds since 1970, UTC
    kind     TEXT NOT NULL,           -- call.started …
    call     INTEGER,
    audience TEXT NOT NULL,           -- who may see it, as JSON
    envelope TEXT NOT NULL,           -- as it is sent, as JSON
    PRIMARY KEY (seq, part)
) STRICT, WITHOUT ROWID;

-- The outbox, for every carrier. Letters of one call to one place go in the order of their ids: the first that waits is the
-- head of its line, and the others stand behind it until it has arrived or was given up.
ALTER TABLE outbox ADD COLUMN call INTEGER;
ALTER TABLE outbox ADD COLUMN body TEXT NOT NULL DEFAULT '{}';   -- what it says, as its carrier reads it
ALTER TABLE outbox ADD COLUMN lane TEXT NOT NULL DEFAULT 'mail'; -- who is kept waiting by whom: sms, webhook NAME …
ALTER TABLE outbox ADD COLUMN behind INTEGER NOT NULL DEFAULT 0; -- 1: another of its line comes first
DROP INDEX outbox_due;
CREATE INDEX outbox_ready ON outbox (lane, due, id) WHERE due IS NOT NULL AND behind = 0;
CREATE INDEX outbox_line ON outbox (call, kind, target, id) WHERE due IS NOT NULL AND call IS NOT NULL;
CREATE INDEX outbox_sent ON outbox (sent) WHERE sent IS NOT NULL;
CREATE INDEX outbox_dead ON outbox (made) WHERE sent IS NULL AND due IS NULL;

-- Receivers that want no more (410): nothing of their lane is carried.
CREATE TABLE outbox_closed (
    lane    TEXT PRIMARY KEY,
    at      INTEGER NOT NULL,
    address TEXT NOT NULL,           -- a digest of where it was: what moves elsewhere is open again
    why     TEXT NOT NULL
) STRICT;

-- Follow-ups by hand and by time.
ALTER TABLE follow_up ADD COLUMN given INTEGER;        -- since when it is the assignee's; NULL: since it was opened
ALTER TABLE follow_up ADD COLUMN overdue INTEGER;      -- when it was said that its time is over
ALTER TABLE follow_up ADD COLUMN escalated INTEGER;    -- when the supervisor was told
ALTER TABLE follow_up ADD COLUMN reassigned INTEGER;   -- when it was given to the supervisor
ALTER TABLE follow_up ADD COLUMN closed_hand TEXT;     -- the employee who closed it without a talk
ALTER TABLE follow_up ADD COLUMN closed_why TEXT;      -- … and why, in free words
ALTER TABLE follow_up ADD COLUMN picked_from TEXT;     -- the list it was given from: a DID, or '' for the general one
ALTER TABLE follow_up ADD COLUMN picked TEXT;          -- … and whom that gave it to, whoever has it now
UPDATE follow_up SET picked_from = '', picked = assignee WHERE assigned = 'list';
DROP INDEX follow_up_of_list;
CREATE INDEX follow_up_of_list ON follow_up (picked_from, id) WHERE picked_from IS NOT NULL;
CREATE INDEX follow_up_in_time ON follow_up (due) WHERE closed IS NULL AND reassigned IS NULL;

-- What happens to a follow-up, in calls, by hand and by time: each is named by its fact.
ALTER TABLE follow_up_comment RENAME TO follow_up_comment_3;
CREATE TABLE follow_up_comment (
    follow_up INTEGER NOT NULL REFERENCES follow_up,
    seq       INTEGER NOT NULL,        -- of the fact
    at        INTEGER NOT NULL,
    what      TEXT NOT NULL,           -- missed | tried | brief | claimed | assigned | remarked | closed | overdue | escalated | reassigned
    call      INTEGER,                 -- of the first three
    cause     TEXT,                    -- of a miss
    by        TEXT,                    -- the employee whose hand it was
    to_whom   TEXT,                    -- whose it is since then, or who was told
    text      TEXT,                    -- in free words
    PRIMARY KEY (follow_up, seq)
) STRICT, WITHOUT ROWID;
INSERT INTO follow_up_comment (follow_up, seq, at, what, call, cause)
    SELECT follow_up, coalesce((SELECT max(seq) FROM fact WHERE fact.call = old.call), -old.call), at, what, call, cause
    FROM follow_up_comment_3 old;
DROP TABLE follow_up_comment_3;

-- What CRMs have been told of calls, and how far their customers have been read: notes of whoever speaks with them.
CREATE TABLE crm_call (
    crm  TEXT NOT NULL,
    call INTEGER NOT NULL,
    told TEXT NOT NULL,              -- as JSON
    at   INTEGER NOT NULL,
    PRIMARY KEY (crm, call)
) STRICT, WITHOUT ROWID;
CREATE INDEX crm_call_at ON crm_call (at);
CREATE TABLE crm_mark (
    crm   TEXT NOT NULL,
    what  TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (crm, what)
) STRICT, WITHOUT ROWID;

-- Customers whom the router has made itself, of a number that nobody knew: the name is still the number.
ALTER TABLE customer ADD COLUMN provisional INTEGER NOT NULL DEFAULT 0;

-- For reports: the first group that a call came to, the one that had it when it was answered, the trunk it went out on.
ALTER TABLE call ADD COLUMN hunt_group TEXT;
ALTER TABLE call ADD COLUMN answered_in TEXT;
ALTER TABLE call ADD COLUMN out_trunk TEXT;
CREATE INDEX follow_up_comment_of_call ON follow_up_comment (call) WHERE call IS NOT NULL;

-- The SMS to missed customers: written with the call's end. What becomes of each comes later.
CREATE TABLE sms (
    number INTEGER NOT NULL,          -- E.164 without plus
    at     INTEGER NOT NULL,          -- microseconds since 1970, UTC
    call   INTEGER NOT NULL,          -- the missed one
    text   TEXT NOT NULL,
    sent   INTEGER,                   -- when the provider had taken it
    failed TEXT,                      -- why it was given up
    PRIMARY KEY (number, at, call)
) STRICT, WITHOUT ROWID;

-- What employees wrote down about calls, and the calls that wait for it.
CREATE TABLE call_note (
    call        INTEGER NOT NULL,
    seq         INTEGER NOT NULL,     -- of the fact
    at          INTEGER NOT NULL,
    by          TEXT,                 -- an extension; NULL: an admin, or a program
    text        TEXT,
    disposition TEXT,
    PRIMARY KEY (call, seq)
) STRICT, WITHOUT ROWID;
ALTER TABLE call ADD COLUMN disposition TEXT;                               -- what came of it, the last word
ALTER TABLE call ADD COLUMN needs_disposition INTEGER NOT NULL DEFAULT 0;
CREATE INDEX call_needs_disposition ON call (id) WHERE needs_disposition;

-- What was with a number.
CREATE INDEX call_from ON call (from_number, began) WHERE from_number IS NOT NULL;
CREATE INDEX call_to ON call (to_number, began) WHERE to_number IS NOT NULL;
CREATE INDEX follow_up_of_number ON follow_up (number) WHERE number IS NOT NULL;
