-- What the rows of each table add up to, so that `log verify` finds every change that another hand or a failing
-- disk makes, also in what no signature covers. Not a defence against somebody who knows how it is computed: those
-- are the signatures, and the checkpoints that others keep.
--
-- The program makes the triggers from the schema: three for each table, of every column (repository/digest.rs). They
-- call `digest_row`, a function of the program; another one cannot add to these tables.
CREATE TABLE row_digest (
    name TEXT PRIMARY KEY, -- of the table
    digest BLOB NOT NULL CHECK (length(digest) = 32) -- exclusive or over SHA-256 of each row
) STRICT, WITHOUT ROWID;
