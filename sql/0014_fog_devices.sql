-- How a product's devices call where they prove nothing of themselves.

ALTER TABLE products
    ADD COLUMN auto_register boolean NOT NULL DEFAULT false, -- an unknown device becomes one of this product by reporting its versions
    ADD COLUMN device_token  boolean NOT NULL DEFAULT false, -- its devices' calls must bring an operator's token
    ADD COLUMN bundle        text NOT NULL DEFAULT 'independent' CHECK (bundle IN ('independent', 'together')); -- together: no component without the others that it needs
