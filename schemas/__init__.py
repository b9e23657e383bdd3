"""What every table holds: one module a table, the single source of columns, units and rules."""
