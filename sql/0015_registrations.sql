-- Devices that register themselves prove nothing: how many have is counted, so that forged ids fill no database.

ALTER TABLE products
    ADD COLUMN auto_register_max integer NOT NULL DEFAULT 10000 CHECK (auto_register_max BETWEEN 1 AND 10000000), -- so many devices may have registered themselves
    ADD COLUMN registered        integer NOT NULL DEFAULT 0; -- have, and are still there
ALTER TABLE devices
    ADD COLUMN registered boolean NOT NULL DEFAULT false; -- it has

CREATE FUNCTION devices_registered() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        UPDATE products SET registered = greatest(registered - 1, 0) WHERE id = OLD.product_id;
    ELSIF NEW.product_id <> OLD.product_id THEN
        UPDATE products SET registered = CASE WHEN id = NEW.product_id THEN registered + 1 ELSE greatest(registered - 1, 0) END
            WHERE id IN (OLD.product_id, NEW.product_id);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER devices_registered AFTER DELETE OR UPDATE OF product_id ON devices
    FOR EACH ROW WHEN (OLD.registered) EXECUTE FUNCTION devices_registered();
