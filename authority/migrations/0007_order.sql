-- Orders as they came from the system that takes them. All of it is history: a line that comes again is compared with the
-- one that is here, and never written over it. What became of a line is the grant of its hash. Spec: docs/spec/orders.md.
CREATE TABLE sales_order (
    order_number TEXT PRIMARY KEY CHECK (length(order_number) BETWEEN 1 AND 64), -- as that system has it
    customer_id TEXT NOT NULL REFERENCES customer, -- of all its lines
    imported_at INTEGER NOT NULL -- when its first line came
) STRICT, WITHOUT ROWID;
CREATE INDEX sales_order_customer ON sales_order (customer_id, imported_at);

CREATE TABLE order_line (
    position INTEGER PRIMARY KEY CHECK (position >= 1), -- from 1, without gaps, in the order in which they came
    order_number TEXT NOT NULL REFERENCES sales_order,
    line INTEGER NOT NULL CHECK (line >= 1), -- its number in the order
    entitlement_id BLOB NOT NULL CHECK (length(entitlement_id) = 8), -- what it grants or changes; drawn when it first came
    grant_hash BLOB NOT NULL CHECK (length(grant_hash) = 32), -- SHA-256 of the grant that it comes to; it waits until that is there
    content TEXT NOT NULL, -- what it asks for, as JSON
    imported_at INTEGER NOT NULL,
    UNIQUE (order_number, line)
) STRICT;
CREATE INDEX order_line_entitlement ON order_line (entitlement_id);

CREATE TRIGGER sales_order_update BEFORE UPDATE ON sales_order
BEGIN SELECT RAISE(ABORT, 'sales_order is append-only'); END;
CREATE TRIGGER sales_order_delete BEFORE DELETE ON sales_order
BEGIN SELECT RAISE(ABORT, 'sales_order is append-only'); END;
CREATE TRIGGER order_line_insert BEFORE INSERT ON order_line
WHEN NEW.position IS NOT (SELECT coalesce(max(position), 0) + 1 FROM order_line)
BEGIN SELECT RAISE(ABORT, 'order_line is numbered without gaps'); END;
CREATE TRIGGER order_line_update BEFORE UPDATE ON order_line
BEGIN SELECT RAISE(ABORT, 'order_line is append-only'); END;
CREATE TRIGGER order_line_delete BEFORE DELETE ON order_line
BEGIN SELECT RAISE(ABORT, 'order_line is append-only'); END;
