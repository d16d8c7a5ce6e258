"""From the ledger to statements: which config is best, what may be compared with what, and how sure one can be."""
