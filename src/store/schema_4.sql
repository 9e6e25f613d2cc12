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

-- The outbox, for every carrier. Letters of one call to one place go in the order of their ids.
ALTER TABLE outbox ADD COLUMN call INTEGER;
ALTER TABLE outbox ADD COLUMN body TEXT NOT NULL DEFAULT '{}';   -- what it says, as its carrier reads it
