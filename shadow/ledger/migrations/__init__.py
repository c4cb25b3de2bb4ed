"""The ledger's schema, step by step: numbered files in ``versions/``, applied by :mod:`shadow.ledger.migrate`."""
