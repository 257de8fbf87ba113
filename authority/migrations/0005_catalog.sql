-- The whole catalog: every change keeps what it made, and says who made it and why. Tables of features and
-- editions go: what stands is read from the newest change. Spec: docs/spec/catalog.md.
--
-- The triggers of digests are dropped where rows change, since another program may run this; the program makes
-- them anew.
DROP TRIGGER catalog_change_update;
DROP TRIGGER catalog_change_digest_update;

-- What a change does. A pilot holds for a share of the customers, and only while it is the newest change.
ALTER TABLE catalog_change ADD COLUMN kind TEXT NOT NULL DEFAULT 'apply'
    CHECK (kind IN ('apply', 'pilot', 'promote', 'withdraw'));
ALTER TABLE catalog_change ADD COLUMN share INTEGER -- of the customers, in hundredths of a percent
    CHECK (share BETWEEN 1 AND 9999 AND kind = 'pilot' OR share IS NULL AND kind <> 'pilot');
ALTER TABLE catalog_change ADD COLUMN seed INTEGER -- chooses the customers: the number of a pilot
    CHECK (seed BETWEEN 1 AND number AND kind = 'pilot' OR seed IS NULL AND kind <> 'pilot');
ALTER TABLE catalog_change ADD COLUMN pilot INTEGER REFERENCES catalog_change -- which is promoted or withdrawn
    CHECK ((pilot IS NOT NULL) = (kind IN ('promote', 'withdraw')) AND (pilot IS NULL OR pilot < number));
ALTER TABLE catalog_change ADD COLUMN applied_by TEXT CHECK (length(applied_by) > 0); -- NULL where nobody said
ALTER TABLE catalog_change ADD COLUMN reason TEXT CHECK (length(reason) > 0); -- NULL where nobody said
ALTER TABLE catalog_change ADD COLUMN whole TEXT; -- JSON; NULL for changes before this table had it, but the last

-- What the tables held is what the last change made.
UPDATE catalog_change SET whole = json_object('products', json((
    SELECT json_group_object(product_id, json_object(
        'name', name,
        'features', json((
            SELECT json_group_object(feature_id, kind) FROM feature
            WHERE feature.product_id = product.product_id)),
        'editions', json((
            SELECT json_group_object(edition_id, json((
                SELECT json_group_object(feature_id, json(coalesce(CAST(limit_value AS TEXT), 'true')))
                FROM edition_feature
                WHERE edition_feature.product_id = edition.product_id
                    AND edition_feature.edition_id = edition.edition_id)))
            FROM edition WHERE edition.product_id = product.product_id))))
    FROM product)))
WHERE number = (SELECT max(number) FROM catalog_change);

CREATE TRIGGER catalog_change_update BEFORE UPDATE ON catalog_change
BEGIN SELECT RAISE(ABORT, 'catalog_change is append-only'); END;

DROP TABLE edition_feature;
DROP TABLE edition;
DROP TABLE feature;
DELETE FROM row_digest WHERE name IN ('edition_feature', 'edition', 'feature');

-- A product keeps its row for the entitlements that were granted of it, whether it is still sold or not.
CREATE TRIGGER product_delete BEFORE DELETE ON product
BEGIN SELECT RAISE(ABORT, 'product is never deleted'); END;
