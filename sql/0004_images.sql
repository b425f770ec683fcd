-- What a product's firmware files are, and what an ESP-IDF app image says of itself.

ALTER TABLE products
    ADD COLUMN images text NOT NULL DEFAULT 'any' CHECK (images IN ('any', 'esp32')); -- esp32: app images, all else is refused at upload

-- All NULL where the file is no such image; a text that the image leaves empty is NULL too.
ALTER TABLE firmware
    ADD COLUMN chip          text, -- as devices spell theirs: esp32s3
    ADD COLUMN project       text,
    ADD COLUMN image_version text,
    ADD COLUMN idf_version   text,
    ADD COLUMN elf_sha256    bytea CHECK (length(elf_sha256) = 32),
    ADD CONSTRAINT firmware_image_check CHECK ((chip IS NULL) = (elf_sha256 IS NULL)),
    ADD CONSTRAINT firmware_facts_check CHECK (chip IS NOT NULL OR (project IS NULL AND image_version IS NULL AND idf_version IS NULL));
