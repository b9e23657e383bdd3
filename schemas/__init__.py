"""The tables: one module each, the single source of columns, units and checks."""
